import type { SendOptions } from "../driver/driver.ts";
import type { Statement } from "../driver/statement.ts";
import type { IsolationLevel } from "../driver/transaction_sql.ts";
import type { ConnectionTarget } from "../driver/url.ts";
import { isLocal } from "./_neon_target.ts";

/** As Neon's proxy spells them (`proxy/src/serverless/sql_over_http.rs`). */
const LEVELS: Readonly<Partial<Record<IsolationLevel, string>>> = {
  "read uncommitted": "ReadUncommitted",
  "read committed": "ReadCommitted",
  "repeatable read": "RepeatableRead",
  "serializable": "Serializable",
};

/** What `fetch` is given. */
export interface HttpRequest {
  /** The endpoint. */
  readonly url: string;
  /** What is posted there. */
  readonly init: RequestInit;
}

/**
 * A transaction as a request of Neon's protocol: a batch, whose answer has
 * every value as PostgreSQL's text.
 *
 * @param target Where to.
 * @param statements What to run.
 * @param send How it runs.
 */
export function httpRequest(
  target: ConnectionTarget,
  statements: readonly Statement[],
  send: SendOptions,
): HttpRequest {
  const { isolationLevel = "read committed", readOnly, deferrable, authToken } =
    send;
  // A plain object: `fetch` would take a `Headers` apart and make another.
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "neon-connection-string": connectionString(target, authToken),
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
    url: endpoint(target, authToken !== undefined),
    init: {
      method: "POST",
      headers,
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
  return isRepeatable ? text : new Blob([text]);
}

/**
 * The first label of the host is the database's; the rest is the region: as
 * `@neondatabase/serverless` 1.2 makes it.
 */
function endpoint({ host, port }: ConnectionTarget, hasToken: boolean): string {
  if (isLocal(host)) return `http://${host}:${port}/sql`;
  const region = host.replace(/^[^.]+\./, "");
  return `https://${hasToken ? "apiauth" : "api"}.${region}/sql`;
}

/**
 * With a token there must be no password: the two together are a 400 (read in
 * Neon's proxy, unverified on the hosted service).
 */
function connectionString(
  { host, database, user, password = "" }: ConnectionTarget,
  authToken: string | undefined,
): string {
  const [u, p, d] = [user, password, database].map(encodeURIComponent);
  const login = authToken === undefined ? `${u}:${p}` : u;
  return `postgresql://${login}@${host}/${d}`;
}
