import { Buffer } from "node:buffer";

/** Protocol codes that stand where a version number would. */
export const START_UP_CODE = {
  cancel: 80877102,
  ssl: 80877103,
  gssEncryption: 80877104,
} as const;

/** The fields of PostgreSQL's errors as Neon names them, with their letters. */
export const ERROR_FIELDS = [
  ["message", "M"],
  ["code", "C"],
  ["detail", "D"],
  ["hint", "H"],
  ["position", "P"],
  ["internalPosition", "p"],
  ["internalQuery", "q"],
  ["severity", "S"],
  ["where", "W"],
  ["table", "t"],
  ["column", "c"],
  ["schema", "s"],
  ["dataType", "d"],
  ["constraint", "n"],
  ["file", "F"],
  ["line", "L"],
  ["routine", "R"],
] as const;

/** An error's fields by name. */
export type ErrorFields = Partial<
  Record<typeof ERROR_FIELDS[number][0], string>
>;

/** `AuthenticationOk`. */
export function authenticationOk(): Buffer {
  return message("R", int32(0));
}

/** `AuthenticationCleartextPassword`. */
export function authenticationCleartextPassword(): Buffer {
  return message("R", int32(3));
}

/** `ParameterStatus`. */
export function parameterStatus(name: string, value: string): Buffer {
  return message("S", text(name), text(value));
}

/** `BackendKeyData`. */
export function backendKeyData(processId: number, secretKey: number): Buffer {
  return message("K", int32(processId), int32(secretKey));
}

/** `ReadyForQuery`, outside a transaction. */
export function readyForQuery(): Buffer {
  return message("Z", Buffer.from("I"));
}

/** `Query`. */
export function simpleQuery(sql: string): Buffer {
  return message("Q", text(sql));
}

/** `Parse`, with no parameter types given. */
export function parse(name: string, sql: string): Buffer {
  return message("P", text(name), text(sql), Buffer.alloc(2));
}

/** `Sync`. */
export function sync(): Buffer {
  return message("S");
}

/** `ErrorResponse`, fatal unless the fields say otherwise. */
export function errorResponse(fields: ErrorFields): Buffer {
  const severity = fields.severity || "FATAL";
  const parts = [Buffer.from("V"), text(severity)];
  for (const [name, letter] of ERROR_FIELDS) {
    const value = name === "severity" ? severity : fields[name];
    if (value) parts.push(Buffer.from(letter), text(value));
  }
  return message("E", ...parts, Buffer.from([0]));
}

/** `CancelRequest`. */
export function cancelRequest(processId: number, secretKey: number): Buffer {
  return Buffer.concat([
    int32(16),
    int32(START_UP_CODE.cancel),
    int32(processId),
    int32(secretKey),
  ]);
}

/**
 * The fields of an error that PostgreSQL sent, as `pg` reports it.
 *
 * @param error What was thrown.
 * @returns The fields, or `undefined` when it is not from PostgreSQL.
 */
export function errorFields(error: unknown): ErrorFields | undefined {
  if (!(error instanceof Error) || !("severity" in error)) return undefined;
  const values: Record<string, unknown> = Object(error);
  const fields: ErrorFields = { message: error.message };
  for (const [name] of ERROR_FIELDS) {
    const value = values[name];
    if (typeof value === "string") fields[name] = value;
  }
  return fields;
}

function message(type: string, ...parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 4);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.from(value + "\0");
}
