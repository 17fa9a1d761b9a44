import type { Field, FlightResult, Statement } from "../driver/statement.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import { FlightReader } from "../wire/flight_reader.ts";
import type { TypeParser } from "../wire/type_parsers.ts";

/**
 * Reads the answer to a batch: the same parsers and shapes as over a wire.
 *
 * @param attempt Names the database.
 * @param body The answer.
 * @param statements What was sent.
 * @param parserOf The parser for a type OID.
 */
export function readAnswer(
  attempt: string,
  body: string,
  statements: readonly Statement[],
  parserOf: (oid: number) => TypeParser,
): FlightResult {
  const results = resultsOf(body);
  if (results?.length !== statements.length) {
    return {
      results: [],
      failure: new ConnectionError(
        "CONNECTION_LOST",
        `Lost the connection to ${attempt}: the answer is incomplete, or none of Neon's`,
        { maybeExecuted: true },
      ),
    };
  }
  const reader = new FlightReader(statements, parserOf);
  for (const { fields, rows, command, rowCount } of results) {
    reader.rowDescription(fields);
    for (const row of rows) reader.dataRow(row);
    reader.complete(command, rowCount ?? null);
  }
  return reader.end();
}

/** A result as Neon's proxy writes it, in array mode and raw text. */
interface HttpResult {
  readonly fields: readonly Field[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly command: string;
  readonly rowCount?: number | null;
}

function resultsOf(body: string): readonly HttpResult[] | undefined {
  try {
    const json: unknown = JSON.parse(body);
    const isBatch = typeof json === "object" && json !== null &&
      "results" in json && Array.isArray(json.results) &&
      json.results.every(isResult);
    return isBatch ? json.results as HttpResult[] : undefined;
  } catch {
    return undefined;
  }
}

function isResult(value: unknown): value is HttpResult {
  return typeof value === "object" && value !== null &&
    "fields" in value && Array.isArray(value.fields) &&
    "rows" in value && Array.isArray(value.rows) &&
    "command" in value && typeof value.command === "string";
}
