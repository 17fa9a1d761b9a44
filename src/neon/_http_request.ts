import type { SendOptions } from "../driver/driver.ts";
import type { Statement } from "../driver/statement.ts";
import type { IsolationLevel } from "../driver/transaction_sql.ts";
import { type ConnectionTarget, describeTarget } from "../driver/url.ts";
import { isLocal } from "./_neon_target.ts";

/** As Neon's proxy spells them (`proxy/src/serverless/sql_over_http.rs`). */
const LEVELS: Readonly<Partial<Record<IsolationLevel, string>>> = {
  "read uncommitted": "ReadUncommitted",
  "read committed": "ReadCommitted",
  "repeatable read": "RepeatableRead",
  "serializable": "Serializable",
};

/** Where the requests to a database go: it is made once, for all of them. */
export interface HttpEndpoint {
  /** Names the database in messages. */
  readonly attempt: string;
  /** For who has a password. */
  readonly byPassword: HttpLogin;
  /** For who has a token. */
  readonly byToken: HttpLogin;
}

/** Where a request goes, and as whom. */
interface HttpLogin {
  readonly url: string;
  readonly connectionString: string;
}

/**
 * Where the requests to a database go.
 *
 * @param target The database.
 */
export function httpEndpoint(target: ConnectionTarget): HttpEndpoint {
  const { host, user, password = "", database } = target;
  const [u, p, d] = [user, password, database].map(encodeURIComponent);
  return {
    attempt: describeTarget(target),
    byPassword: {
      url: endpointUrl(target, "api"),
      connectionString: `postgresql://${u}:${p}@${host}/${d}`,
    },
    // With a token there must be no password: the two together are a 400 (read
    // in Neon's proxy, unverified on the hosted service).
    byToken: {
      url: endpointUrl(target, "apiauth"),
      connectionString: `postgresql://${u}@${host}/${d}`,
    },
  };
}

/**
 * The first label of the host is the database's; the rest is the region: as
 * `@neondatabase/serverless` 1.2 makes it.
 */
function endpointUrl({ host, port }: ConnectionTarget, label: string): string {
  if (isLocal(host)) return `http://${host}:${port}/sql`;
  return `https://${label}.${host.replace(/^[^.]+\./, "")}/sql`;
}

/** What `fetch` is given. */
export interface HttpRequest {
  /** Where to. */
  readonly url: string;
  /** What is posted there. */
  readonly init: RequestInit;
}

/**
 * A transaction as a request of Neon's protocol: a batch, whose answer has
 * every value as PostgreSQL's text.
 *
 * @param endpoint Where to.
 * @param statements What to run.
 * @param send How it runs.
 */
export function httpRequest(
  { byPassword, byToken }: HttpEndpoint,
  statements: readonly Statement[],
  send: SendOptions,
): HttpRequest {
  const { isolationLevel = "read committed", readOnly, deferrable, authToken } =
    send;
  const { url, connectionString } = authToken === undefined
    ? byPassword
    : byToken;
  // A plain object: `fetch` would take a `Headers` apart and make another.
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "neon-connection-string": connectionString,
    "neon-raw-text-output": "true",
    "neon-array-mode": "true",
    "neon-batch-isolation-level": LEVELS[isolationLevel] ?? "ReadCommitted",
  };
  if (readOnly) headers["neon-batch-read-only"] = "true";
  if (deferrable) headers["neon-batch-deferrable"] = "true";
  if (authToken !== undefined) headers.authorization = `Bearer ${authToken}`;
  const queries = statements.map(({ text, params }) => ({
    query: text,
    params,
  }));
  return {
    url,
    init: {
      method: "POST",
      headers,
      // The password would go along, to whomever.
      redirect: "manual",
      body: bodyOf(JSON.stringify({ queries }), { isRepeatable: readOnly }),
      // The server cancels a statement whose client is gone.
      signal: send.signal ?? null,
    },
  };
}

/**
 * Deno's `fetch` repeats a POST, and tells nobody, when a connection that was
 * kept breaks before the answer (measured with Deno 2.9): a unit of work would
 * be done twice. It does not repeat a Blob. A read may be repeated.
 */
function bodyOf(
  text: string,
  { isRepeatable = false }: { readonly isRepeatable?: boolean | undefined },
): string | Blob {
  return isRepeatable ? text : inOnePiece(encoder.encode(text));
}

const encoder = new TextEncoder();

/**
 * A Blob that hands over all that it has at once. Deno reads it through its
 * `stream()`, and its own one asks the runtime for each piece: two thirds of
 * what a Blob costs more than text. Where `fetch` reads it otherwise, the bytes
 * are the same.
 *
 * @param bytes What is in it.
 */
function inOnePiece(bytes: Uint8Array<ArrayBuffer>): Blob {
  return Object.assign(new Blob([bytes]), {
    stream: () =>
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          controller.enqueue(bytes);
          controller.close();
        },
      }),
  });
}
