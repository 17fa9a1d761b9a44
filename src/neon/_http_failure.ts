import type { ErrorCode } from "../errors/codes.ts";
import { ConnectionError } from "../errors/connection_error.ts";

/** What a request came back with that is no success. */
interface HttpErrorBody {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly severity?: unknown;
}

/**
 * What an answer other than 200 means. An error of PostgreSQL comes as 400,
 * and as 500 where the proxy had it from a login; both with its fields. The
 * statuses are those of Neon's proxy (`proxy/src/serverless`); what stands in
 * front of the hosted service is unverified.
 *
 * @param attempt Names the database.
 * @param status HTTP status.
 * @param body The answer.
 * @returns The fields of PostgreSQL, or a `ConnectionError`.
 */
export function httpFailure(
  attempt: string,
  status: number,
  body: string,
): unknown {
  const fields = parse(body);
  const { code, severity } = fields;
  const isServers = typeof code === "string" && code.length === 5 &&
    typeof severity === "string" && severity !== "";
  if (isServers) return withoutNulls(fields);
  switch (status) {
    case 413:
      return failure("REQUEST_TOO_LARGE", {
        message:
          `Cannot send to ${attempt}: the request is larger than the endpoint takes (HTTP 413); lower "maxBatchBytes", or flush in parts`,
      });
    case 507:
      return failure("RESPONSE_TOO_LARGE", {
        message:
          `Cannot read from ${attempt}: the result is larger than the endpoint gives (HTTP 507), and the transaction was rolled back; read fewer rows, or use stream()`,
      });
    case 400:
      return failure("CONNECT_FAILED", {
        message: `Cannot connect to ${attempt}: ${reasonOf(fields, status)}`,
      });
    default: {
      // What stands in front of a database refuses before it has run anything.
      const maybeExecuted = status >= 500;
      return failure("CONNECTION_LOST", {
        message: `Lost the connection to ${attempt}: ${
          reasonOf(fields, status)
        }`,
        maybeExecuted,
      });
    }
  }
}

/**
 * What it means that there was no answer, or only a part of one.
 *
 * @param attempt Names the database.
 * @param error What was thrown.
 */
export function noAnswer(attempt: string, error: unknown): ConnectionError {
  const reason = transportReason(error);
  const isUnsent = UNSENT.test(reason);
  return failure(isUnsent ? "CONNECT_FAILED" : "CONNECTION_LOST", {
    message: `${
      isUnsent ? "Cannot connect to" : "Lost the connection to"
    } ${attempt}: ${isUnsent ? "it cannot be reached" : "no answer"}`,
    maybeExecuted: !isUnsent,
  });
}

/** Nobody was there who could have run anything. */
const UNSENT =
  /refused|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|dns|resolve|certificate/i;

function transportReason(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { cause } = error;
  const code = typeof cause === "object" && cause !== null && "code" in cause
    ? String(cause.code)
    : "";
  return `${error.message} ${code} ${
    cause instanceof Error ? cause.message : ""
  }`;
}

function reasonOf({ message }: HttpErrorBody, status: number): string {
  const isText = typeof message === "string" && message !== "";
  return isText
    ? `${message.replace(/[a-z]+:\/\/\S+/gi, "<url>")} (HTTP ${status})`
    : `HTTP ${status}`;
}

function failure(
  code: ErrorCode,
  { message, maybeExecuted = false }: {
    readonly message: string;
    readonly maybeExecuted?: boolean;
  },
): ConnectionError {
  return new ConnectionError(code, message, { maybeExecuted });
}

function parse(body: string): HttpErrorBody {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {};
  }
}

/** PostgreSQL's fields, of which the answer has all. */
function withoutNulls(fields: HttpErrorBody): object {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null),
  );
}
