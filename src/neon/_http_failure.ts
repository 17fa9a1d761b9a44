import type { ErrorCode } from "../errors/codes.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import { isServerError, withoutUrls } from "../errors/wrap_driver_error.ts";

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
  if (isServerError(fields)) return fields;
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
    default:
      return failure("CONNECTION_LOST", {
        message: `Lost the connection to ${attempt}: ${
          isRedirect(status)
            ? "it redirects elsewhere, where no password is sent"
            : reasonOf(fields, status)
        }`,
        maybeExecuted: !REFUSALS.has(status),
      });
  }
}

/**
 * By which something in front of a database says that it has passed nothing on
 * (RFC 9110; 307 and 308 ask to repeat the request elsewhere). Of all others,
 * 408 or a 2xx of its own for example, nobody knows.
 */
const REFUSALS: ReadonlySet<number> = new Set(
  [307, 308, 401, 402, 403, 404, 405, 407, 421, 429, 431],
);

/** Browsers say 0 of a redirect that they do not follow. */
function isRedirect(status: number): boolean {
  return status === 0 || status >= 300 && status < 400;
}

/**
 * An error that came ahead of anything that could be executed.
 *
 * @param error What was thrown, or why it was not waited for.
 */
export function unexecuted(error: unknown): unknown {
  if (!(error instanceof ConnectionError)) return error;
  const { code, message, cause } = error;
  return new ConnectionError(code, message, { cause });
}

/**
 * What it means that there was nothing to be sent.
 *
 * @param attempt Names the database.
 */
export function noRequest(attempt: string): ConnectionError {
  return failure("CONNECT_FAILED", {
    message:
      `Cannot connect to ${attempt}: there is no request for it; the host, or the session's "authToken", has characters that no URL, or header, can have`,
  });
}

/**
 * What it means that there was no answer, or only a part of one.
 *
 * @param attempt Names the database.
 * @param error What was thrown.
 */
export function noAnswer(attempt: string, error: unknown): ConnectionError {
  const why = whyOf(error);
  if (UNSENT.test(transportReason(error))) {
    return failure("CONNECT_FAILED", {
      message: `Cannot connect to ${attempt}: ${why ?? "it cannot be reached"}`,
    });
  }
  return failure("CONNECTION_LOST", {
    message: `Lost the connection to ${attempt}: ${why ?? "no answer"}`,
    maybeExecuted: true,
  });
}

/**
 * Why, in the runtime's words: Node's and Bun's code, or what Deno says behind
 * the URL. Other texts may repeat whatever `fetch` was given.
 */
function whyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const why = whyOf(error.cause);
  if (why !== undefined) return why;
  if ("code" in error && typeof error.code === "string") return error.code;
  return /client error \(\w+\): (.+)/.exec(error.message)?.[1];
}

/**
 * As the runtimes say that nobody was there who could have run anything, or
 * nobody who is trusted. What Deno says of `(Connect)` ends with the handshake.
 */
const UNSENT =
  /client error \(Connect\)|connection refused|dns error|bad port|port \d+ are blocked|\b(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|UNABLE_TO_\w+|\w*CERT_\w+|\w+_CERT)\b/i;

/** The URL is in it, and a host may be called anything. */
function transportReason(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { cause, message } = error;
  const code = "code" in error ? String(error.code) : "";
  return `${withoutUrls(message)} ${code} ${transportReason(cause)}`;
}

function reasonOf({ message }: HttpErrorBody, status: number): string {
  const isText = typeof message === "string" && message !== "";
  return isText ? `${withoutUrls(message)} (HTTP ${status})` : `HTTP ${status}`;
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

/** What an endpoint says of itself, or of PostgreSQL. */
interface HttpErrorBody {
  readonly message?: unknown;
}

/** Its fields, without those that say nothing: the answer has all. */
function parse(body: string): HttpErrorBody {
  try {
    const json: unknown = JSON.parse(body);
    const entries = Object.entries(json ?? {});
    return Object.fromEntries(entries.filter(([, value]) => value !== null));
  } catch {
    return {};
  }
}
