import { Client, neonConfig, Pool } from "@neondatabase/serverless";
import { type NeonServer, serveNeon } from "../../src/dev/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

neonConfig.useSecureWebSocket = false;
neonConfig.fetchEndpoint = (host, port) => `http://${host}:${port}/sql`;
neonConfig.wsProxy = (host, port) => `${host}:${port}/v2`;

/** A database, and an endpoint in front of it. */
export interface TestEndpoint extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly server: NeonServer;
}

/** Serves a new database of a real PostgreSQL. */
export async function testEndpoint(
  options: { readonly setup?: string; readonly maxBytes?: number } = {},
): Promise<TestEndpoint> {
  const { setup = "", ...limits } = options;
  const database = await testDatabase({ setup });
  const server = await serveNeon({
    backend: database.url,
    port: 0,
    ...limits,
  });
  return {
    database,
    server,
    async [Symbol.asyncDispose]() {
      await server.close();
      await database.drop();
    },
  };
}

/** Neon's client over a WebSocket, with what it emitted. */
export interface TestClient extends AsyncDisposable {
  readonly client: Client;
  readonly errors: Error[];
}

/** Connects Neon's client; an `error` event is noted, not thrown. */
export async function connectClient(url: string): Promise<TestClient> {
  const client = new Client(url);
  const errors: Error[] = [];
  client.on("error", (error) => errors.push(error));
  await client.connect();
  return { client, errors, [Symbol.asyncDispose]: () => client.end() };
}

/**
 * Neon's pool. Its `end()` resolves before the sockets are closed, so that
 * this waits for the clients themselves.
 */
export function testPool(url: string, max: number): Pool & AsyncDisposable {
  const closed: Promise<void>[] = [];
  const pool = new Pool({ connectionString: url, max });
  pool.on("error", () => {});
  pool.on("connect", (client: Client) => {
    closed.push(new Promise((resolve) => client.once("end", resolve)));
  });
  return Object.assign(pool, {
    async [Symbol.asyncDispose]() {
      await pool.end();
      await Promise.all(closed);
    },
  });
}

/** A URL with another password. */
export function withPassword(url: string, password: string): string {
  const changed = new URL(url);
  changed.password = password;
  return changed.href;
}

/** A URL with another database. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
