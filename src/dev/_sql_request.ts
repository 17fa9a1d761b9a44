import type { Credentials } from "./_backend.ts";
import { HttpFailure } from "./_http_failure.ts";
import { textParameters } from "./_sql_parameters.ts";

/** Request headers in lower case, as `node:http` gives them. */
export type RequestHeaders = Readonly<
  Record<string, string | string[] | undefined>
>;

/** One statement of a request. */
export interface SqlStatement {
  readonly text: string;
  readonly params: readonly (string | null)[];
  /** Rows as arrays; the header decides when it is `undefined`. */
  readonly arrayMode: boolean | undefined;
}

/** What is to be run. */
export interface SqlPayload {
  readonly isBatch: boolean;
  readonly statements: readonly SqlStatement[];
}

/** What the headers ask for. */
export interface SqlSettings {
  readonly rawText: boolean;
  readonly arrayMode: boolean;
  /** `START TRANSACTION` with the modes of a batch. */
  readonly startTransaction: string;
  /** The modes' headers, which the answer to a batch repeats. */
  readonly echo: Readonly<Record<string, string>>;
}

const ISOLATION_LEVELS: ReadonlyMap<string, string> = new Map([
  ["ReadUncommitted", "READ UNCOMMITTED"],
  ["ReadCommitted", "READ COMMITTED"],
  ["RepeatableRead", "REPEATABLE READ"],
  ["Serializable", "SERIALIZABLE"],
]);

/** Neon's proxy writes the number of parameters as a signed 16-bit integer. */
const MAX_PARAMETERS = 32_767;

/**
 * Reads the modes from the headers.
 *
 * @param headers The request's headers.
 * @throws {HttpFailure} When the isolation level is none.
 */
export function readSettings(headers: RequestHeaders): SqlSettings {
  const echo: Record<string, string> = {};
  const modes: string[] = [];
  const level = headers["neon-batch-isolation-level"];
  if (level !== undefined) {
    const name = ISOLATION_LEVELS.get(String(level));
    if (name === undefined) {
      throw new HttpFailure(400, "invalid isolation level");
    }
    modes.push(`ISOLATION LEVEL ${name}`);
    echo["neon-batch-isolation-level"] = String(level);
  }
  if (headers["neon-batch-read-only"] === "true") {
    modes.push("READ ONLY");
    echo["neon-batch-read-only"] = "true";
  }
  if (headers["neon-batch-deferrable"] === "true") {
    modes.push("DEFERRABLE");
    echo["neon-batch-deferrable"] = "true";
  }
  return {
    rawText: headers["neon-raw-text-output"] === "true",
    arrayMode: headers["neon-array-mode"] === "true",
    startTransaction: `START TRANSACTION ${modes.join(", ")}`.trimEnd(),
    echo,
  };
}

/**
 * Reads the credentials from the headers. The URL's parameters are ignored, as
 * Neon's proxy does on this path.
 *
 * @param headers The request's headers.
 * @throws {HttpFailure} When the header is missing, or the URL lacks a part.
 */
export function readCredentials(headers: RequestHeaders): Credentials {
  const header = headers["neon-connection-string"];
  if (typeof header !== "string") {
    throw new HttpFailure(400, "invalid header: Neon-Connection-String");
  }
  if (!URL.canParse(header)) {
    throw new HttpFailure(
      400,
      "invalid connection string: not a URL",
    );
  }
  const url = new URL(header);
  if (!/^postgres(ql)?:$/.test(url.protocol)) {
    throw new HttpFailure(400, "incorrect scheme");
  }
  return {
    user: required("username", url.username),
    password: required(
      "authentication credentials: Password",
      url.password,
    ),
    database: required("database name", url.pathname.slice(1)),
  };
}

/**
 * Reads the body.
 *
 * @param body JSON text.
 * @throws {HttpFailure} When it is not JSON, or of another shape.
 */
export function readPayload(body: string): SqlPayload {
  const json = parseBody(body);
  const single = readStatement(json);
  if (single !== undefined) return { isBatch: false, statements: [single] };
  const queries = isRecord(json) ? json.queries : undefined;
  if (!Array.isArray(queries)) throw wrongShape();
  const statements = queries.map((query) => {
    const statement = readStatement(query);
    if (statement === undefined) throw wrongShape();
    return statement;
  });
  return { isBatch: true, statements };
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new HttpFailure(
      400,
      "could not parse the HTTP request body: not JSON",
    );
  }
}

function readStatement(json: unknown): SqlStatement | undefined {
  if (!isRecord(json) || typeof json.query !== "string") return undefined;
  const { query, params = [], arrayMode } = json;
  if (!Array.isArray(params)) return undefined;
  if (arrayMode !== undefined && arrayMode !== null) {
    if (typeof arrayMode !== "boolean") return undefined;
  }
  if (params.length > MAX_PARAMETERS) {
    throw new HttpFailure(500, "error encoding message to server");
  }
  return {
    text: query,
    params: textParameters(params),
    arrayMode: arrayMode ?? undefined,
  };
}

function wrongShape(): HttpFailure {
  return new HttpFailure(
    400,
    "could not parse the HTTP request body: data did not match any variant of untagged enum Payload",
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function required(name: string, part: string): string {
  if (part === "") throw new HttpFailure(400, `missing ${name}`);
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpFailure(400, `invalid ${name}`);
  }
}
