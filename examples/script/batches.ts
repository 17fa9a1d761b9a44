import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** A line of the file. */
export interface Reading {
  sensor: string;
  at: Date;
  value: number;
}

/** Some lines of the file, which are imported together or not at all. */
export interface Batch {
  /** SHA-256 of the lines. */
  readonly digest: string;
  /** What they say. */
  readonly rows: readonly Reading[];
  /** How much of the file they are. */
  readonly bytes: number;
}

/** Reads a CSV file without a header: `sensor,at,value`. */
export async function* readBatches(
  path: string,
  size: number,
): AsyncGenerator<Batch> {
  const input = createReadStream(path);
  let lines: string[] = [];
  let first = 1;
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      lines.push(line);
      if (lines.length < size) continue;
      yield batchOf(lines, first);
      first += lines.length;
      lines = [];
    }
    if (lines.length > 0) yield batchOf(lines, first);
  } finally {
    input.destroy();
  }
}

function batchOf(lines: readonly string[], first: number): Batch {
  const text = lines.join("\n") + "\n";
  return {
    digest: createHash("sha256").update(text).digest("hex"),
    rows: lines.map((line, index) => readingOf(line, first + index)),
    bytes: Buffer.byteLength(text),
  };
}

function readingOf(line: string, number: number): Reading {
  const [sensor, at, value, ...rest] = line.split(",");
  const reading = {
    sensor: sensor ?? "",
    at: new Date(at ?? ""),
    value: Number(value || NaN),
  };
  const isReading = reading.sensor !== "" && rest.length === 0 &&
    Number.isFinite(reading.at.getTime()) && Number.isFinite(reading.value);
  if (isReading) return reading;
  throw new RangeError(`Line ${number} is not "sensor,time,number": ${line}`);
}
