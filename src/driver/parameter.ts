/** A parameter as the protocol carries it: text, or NULL. */
export type WireParameter = string | null;

/** A value that knows how PostgreSQL writes it (a convention of `pg`). */
interface SelfEncoding {
  toPostgres(encode: (value: unknown) => WireParameter): unknown;
}

/**
 * Turns a JavaScript value into a parameter.
 *
 * Arrays become PostgreSQL arrays, bytes become hexadecimal text, other
 * objects become JSON, and a `Date` becomes UTC: what it means must not depend
 * on the machine's time zone.
 *
 * @param value The value.
 * @returns Its text; `null` for null and undefined.
 */
export function toWireParameter(value: unknown): WireParameter {
  if (value === null || value === undefined) return null;
  // Half a surrogate pair has no UTF-8: PGlite would miscount its bytes.
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value !== "object") return String(value);
  if (ArrayBuffer.isView(value)) {
    return bytesText(
      new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
    );
  }
  if (value instanceof ArrayBuffer) return bytesText(new Uint8Array(value));
  if (value instanceof Date) return dateText(value);
  if (Array.isArray(value)) return arrayText(value);
  if (isSelfEncoding(value)) {
    return toWireParameter(value.toPostgres(toWireParameter));
  }
  return JSON.stringify(value);
}

function arrayText(values: readonly unknown[]): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: unknown): string {
  if (Array.isArray(value)) return arrayText(value);
  const text = toWireParameter(value);
  if (text === null) return "NULL";
  const isPlain = !text.includes('"') && !text.includes("\\");
  return `"${isPlain ? text : text.replace(/[\\"]/g, "\\$&")}"`;
}

/** PostgreSQL's hexadecimal form of `bytea`. */
function bytesText(bytes: Uint8Array): string {
  let text = "\\x";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** ISO 8601 as PostgreSQL reads it: years beyond 9999 unsigned, BC spelled. */
function dateText(date: Date): string {
  const iso = date.toISOString();
  if (iso[0] === "+") return iso.slice(1).replace(/^0+/, "");
  if (iso[0] !== "-") return iso;
  const year = String(1 - date.getUTCFullYear()).padStart(4, "0");
  return `${year}${iso.slice(7)} BC`;
}

function isSelfEncoding(value: object): value is SelfEncoding {
  return "toPostgres" in value && typeof value.toPostgres === "function";
}
