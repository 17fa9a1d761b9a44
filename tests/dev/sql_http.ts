import type { NeonServer } from "../../src/dev/mod.ts";

/** The answer to a raw request. */
export interface SqlAnswer {
  readonly status: number;
  readonly headers: Headers;
  // The tests look into JSON of many shapes.
  readonly json: Record<string, unknown>;
}

/** Sends a raw request to `/sql`, as no client of Neon's would. */
export async function postSql(
  server: NeonServer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<SqlAnswer> {
  const response = await fetch(`http://127.0.0.1:${server.port}/sql`, {
    method: "POST",
    headers: { "Neon-Connection-String": server.url, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const json = await response.json();
  return { status: response.status, headers: response.headers, json };
}
