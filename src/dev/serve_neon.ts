import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { Backend } from "./_backend.ts";
import { HttpPool } from "./_http_pool.ts";
import { FaultSource, type NeonFaults } from "./neon_faults.ts";
import { NeonListener } from "./_neon_listener.ts";
import { pgliteBackend } from "./_pglite_backend.ts";
import type { PGliteLike } from "./pglite_like.ts";
import { postgresBackend } from "./_postgres_backend.ts";

/** What {@linkcode serveNeon} stands in front of, and where it listens. */
export interface NeonServerOptions {
  /**
   * `postgres://user:password@host:port/database`, a PGlite instance, or where
   * a PGlite keeps its data: `file://` and a folder, or `memory://`.
   *
   * A PostgreSQL server is asked to log in each client as the user, and on the
   * database, that the client names. A PGlite instance is shared by all clients
   * and takes any password; give the server one of its own, and close it
   * yourself. One that the server opens in a folder is closed with it, and no
   * other process gets the folder meanwhile.
   */
  readonly backend: string | PGliteLike;

  /**
   * The port to listen on; 0 takes any free one.
   *
   * @default {4444}
   */
  readonly port?: number;

  /**
   * The address to listen on. There is no encryption: do not leave loopback.
   *
   * @default {"127.0.0.1"}
   */
  readonly hostname?: string;

  /**
   * Names under which it may be asked besides those of this machine
   * (`localhost`, `*.localhost`, loopback addresses), such as `db.localtest.me`.
   * Another one is refused with HTTP 403, so that no web page can ask under its
   * own name (DNS rebinding).
   *
   * @default {none}
   */
  readonly allowedHosts?: readonly string[];

  /**
   * How many connections are kept between HTTP requests, after a reset; 0 opens
   * one for each request. WebSockets have one of their own each.
   *
   * @default {4}
   */
  readonly poolSize?: number;

  /**
   * The longest HTTP request and the longest HTTP answer, in bytes.
   *
   * @default {10485760}
   */
  readonly maxBytes?: number;

  /**
   * What goes wrong, for tests: asked for every HTTP request, and for every
   * WebSocket frame behind the login.
   *
   * @default {nothing}
   */
  readonly faults?: NeonFaults;

  /**
   * Milliseconds by which every exchange is delayed, as a network far away
   * does.
   *
   * @default {0}
   */
  readonly latency?: number;
}

const SERVER_OPTIONS: OptionNames<NeonServerOptions> = {
  backend: true,
  port: true,
  hostname: true,
  allowedHosts: true,
  poolSize: true,
  maxBytes: true,
  faults: true,
  latency: true,
};

/** A running endpoint. */
export interface NeonServer {
  /** The port it listens on. */
  readonly port: number;

  /** The `DATABASE_URL` for a client: the backend's user behind this port. */
  readonly url: string;

  /**
   * Resolves when no request runs and no WebSocket is open: in a test that
   * shares a server with others, behind the clients' own end. Until a client has
   * answered a WebSocket's goodbye, the server keeps a timer for it.
   */
  idle(): Promise<void>;

  /**
   * Stops listening, drops every client and closes the connections to the
   * backend. Calling it again does nothing more.
   *
   * @returns When everything is closed.
   */
  close(): Promise<void>;

  /** Closes the server, as {@linkcode NeonServer.close} does. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_PORT = 4444;
const DEFAULT_POOL_SIZE = 4;
const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;

/**
 * Serves Neon's protocols on this machine, for tests and local development:
 * SQL over HTTP (`POST /sql`) and PostgreSQL over a WebSocket (any path), in
 * front of PGlite or any PostgreSQL. It needs no network and no container.
 *
 * What a client can see is as in Neon's proxy: headers, JSON, error fields and
 * statuses, one transaction per batch, nothing of a session kept between HTTP
 * requests, a clear-text password over WebSockets, and a statement whose client
 * has gone is cancelled. There is no TLS, no JWT and no rate limit.
 *
 * PGlite has a single connection: a client inside a transaction makes the
 * others wait, `SET` and named prepared statements are shared while anybody is
 * connected (they are reset when nobody is), and a running statement cannot be
 * cancelled.
 *
 * @example An endpoint over PGlite
 * ```ts
 * import { serveNeon } from "@nullpool/db/dev";
 * import { PGlite } from "@electric-sql/pglite";
 * import { neon, neonConfig } from "@neondatabase/serverless";
 * import { assertEquals } from "@std/assert";
 *
 * const db = await PGlite.create();
 * const server = await serveNeon({ backend: db, port: 0 });
 * neonConfig.fetchEndpoint = `http://127.0.0.1:${server.port}/sql`;
 *
 * const sql = neon(server.url);
 * assertEquals(await sql`select 40 + ${2}::int as answer`, [{ answer: 42 }]);
 *
 * await server.close();
 * await db.close();
 * ```
 *
 * @param options Backend, port and limits.
 * @returns The server, once it listens.
 * @throws {TypeError} When the backend is neither a database URL without
 * parameters, nor a folder's, nor PGlite.
 * @throws {StateError} When another process has the backend's folder.
 * @throws {RangeError} When a number is out of range.
 * @throws {Error} When the port is in use (`code` is `EADDRINUSE`).
 */
export async function serveNeon(
  options: NeonServerOptions,
): Promise<NeonServer> {
  checkOptionNames("serveNeon()", options, SERVER_OPTIONS);
  const {
    port = DEFAULT_PORT,
    hostname = "127.0.0.1",
    poolSize = DEFAULT_POOL_SIZE,
    maxBytes = DEFAULT_MAX_BYTES,
  } = options;
  checkInteger("port", port, 65_535);
  checkInteger("poolSize", poolSize, 1_000);
  checkInteger("maxBytes", maxBytes, Number.MAX_SAFE_INTEGER);
  const { faults, latency = 0 } = options;
  checkInteger("latency", latency, 60_000);
  const backend = await openBackend(options.backend);
  const pool = new HttpPool(backend, poolSize);
  const allowedHosts = (options.allowedHosts ?? [])
    .map((name) => name.toLowerCase());
  const listener = new NeonListener(backend, pool, {
    maxBytes,
    faults: new FaultSource(faults, latency),
    hosts: { hostname, allowedHosts },
  });
  const boundPort = await listener.listen(port).catch(async (error) => {
    await backend.close?.();
    throw error;
  });

  let closed: Promise<void> | undefined;
  function close(): Promise<void> {
    closed ??= listener.close()
      .then(() => pool.close())
      .then(() => backend.close?.());
    return closed;
  }
  return {
    port: boundPort,
    url: serverUrl(backend, hostname, boundPort),
    idle: () => listener.idle(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function openBackend(backend: string | PGliteLike): Promise<Backend> {
  if (typeof backend === "string") {
    if (/^postgres/.test(backend)) return postgresBackend(backend);
    if (/^(?:file|memory):\/\//.test(backend)) {
      return await ownPGliteBackend(backend);
    }
  } else if (typeof backend?.execProtocolRaw === "function") {
    return await pgliteBackend(backend);
  }
  throw new TypeError(
    'Cannot serve a backend: expected a database URL, a folder such as file://.data/neon, "memory://", or a PGlite instance',
  );
}

/** Opens PGlite itself. Loaded late: other backends do without the package. */
async function ownPGliteBackend(dataDir: string): Promise<Backend> {
  const { openDatabase } = await import("../pglite/owned_database.ts");
  const { database, close } = await openDatabase(dataDir);
  return { ...await pgliteBackend(database), close };
}

function serverUrl(backend: Backend, hostname: string, port: number): string {
  const { user, password, database } = backend.defaultCredentials;
  const isAny = hostname === "0.0.0.0" || hostname === "::";
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  const [u, p, d] = [user, password, database].map(encodeURIComponent);
  return `postgres://${u}:${p}@${isAny ? "127.0.0.1" : host}:${port}/${d}`;
}

function checkInteger(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(
      `Cannot serve with ${name} ${value}: expected an integer from 0 to ${max}`,
    );
  }
}
