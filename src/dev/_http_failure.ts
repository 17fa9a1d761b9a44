import { ERROR_FIELDS, type ErrorFields, errorFields } from "./_messages.ts";

/** A request that is answered with an error. */
export class HttpFailure extends Error {
  /** The name of the class. */
  override readonly name = "HttpFailure";
  /** HTTP status. */
  readonly status: number;
  /** What PostgreSQL said, if it was PostgreSQL. */
  readonly fields: ErrorFields;

  /**
   * @param status HTTP status.
   * @param message What happened.
   * @param fields What PostgreSQL said.
   */
  constructor(status: number, message: string, fields: ErrorFields = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/**
 * The answer to a login that failed. As Neon's proxy does it: a wrong password
 * has no SQLSTATE, and only what the caller can mend is a 400.
 *
 * @param error What `pg` threw.
 * @param user The role.
 */
export function loginFailure(error: unknown, user: string): HttpFailure {
  const fields = errorFields(error);
  if (fields === undefined) {
    return new HttpFailure(500, "Couldn't connect to compute node");
  }
  if (fields.code === "28P01") {
    return new HttpFailure(
      400,
      `password authentication failed for user '${user}'`,
    );
  }
  const isCallersFault = fields.code === "3D000" ||
    fields.code?.startsWith("28") === true;
  return new HttpFailure(
    isCallersFault ? 400 : 500,
    fields.message ?? "",
    fields,
  );
}

/**
 * The answer to a statement that failed.
 *
 * @param error What was thrown.
 */
export function statementFailure(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const fields = errorFields(error);
  return fields === undefined
    ? new HttpFailure(500, "connection closed")
    : new HttpFailure(400, fields.message ?? "", fields);
}

/**
 * The body of an answer, always with every key.
 *
 * @param failure What happened.
 */
export function failureBody(failure: HttpFailure): string {
  const body: Record<string, string | null> = {};
  for (const [name] of ERROR_FIELDS) body[name] = failure.fields[name] ?? null;
  return JSON.stringify({
    ...body,
    message: failure.message,
    code: failure.fields.code ?? "",
    severity: failure.fields.severity ?? "",
  });
}
