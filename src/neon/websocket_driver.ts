import { Client, types } from "@neondatabase/serverless";
import type { Driver } from "../driver/driver.ts";
import type { ConnectionTarget, LazyTarget, UrlSource } from "../driver/url.ts";
import { ConnectionError } from "../errors/connection_error.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { WireClient } from "../wire/client.ts";
import { clientDriver } from "../wire/client_driver.ts";
import { typeParsers } from "../wire/type_parsers.ts";
import { denoNet } from "./_deno_dial.ts";
import { isLocal, neonTarget } from "./_neon_target.ts";
import { NodelaySocket } from "./_nodelay_socket.ts";

/** The constructor of a WebSocket, as browsers have it. */
export type WebSocketConstructor = NonNullable<
  Client["neonConfig"]["webSocketConstructor"]
>;

/** How {@linkcode neonWebSocket} connects. */
export interface NeonWebSocketOptions {
  /**
   * Milliseconds until a connect is given up; 0 waits for ever.
   *
   * @default {10_000}
   */
  readonly connectTimeout?: number;
  /**
   * The WebSocket class. Runtimes without a global one need it (Node 20: that
   * of the package `ws`).
   *
   * On Deno the default is one of this package on Deno's sockets: Deno's own
   * waits some 40 ms with each message of more than 1 KB (measured with Deno
   * 2.9). It does not go through the proxy that `HTTPS_PROXY` names, for which
   * `globalThis.WebSocket` has to be given.
   *
   * @default {globalThis.WebSocket}
   */
  readonly WebSocket?: WebSocketConstructor;
}

/** Their names. */
export const WEBSOCKET_OPTIONS: OptionNames<NeonWebSocketOptions> = {
  connectTimeout: true,
  WebSocket: true,
};

/**
 * A driver for Neon's protocol over a WebSocket, by Neon's own client: a
 * connection with interactive transactions wherever there is no TCP.
 *
 * The WebSocket is encrypted and the password travels inside it, so `sslmode`
 * and `channel_binding` in the URL change nothing. For `localhost`,
 * `127.0.0.1` and `*.localhost` it speaks plain `ws:` to that host and port,
 * which is what `serveNeon` answers.
 *
 * @example A driver that never uses HTTP
 * ```ts
 * import { neonWebSocket } from "@nullpool/db/neon";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = neonWebSocket("postgres://app:secret@localhost:4444/app");
 * assertEquals(driver.name, "neon");
 * ```
 *
 * @param url The connection URL, or a function asked at the first connect.
 * @param options How it connects.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When the URL is text and no connection URL, or there is
 * no option of a name.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function neonWebSocket(
  url: UrlSource,
  options: NeonWebSocketOptions = {},
): Driver {
  checkOptionNames("neonWebSocket()", options, WEBSOCKET_OPTIONS);
  return webSocketDriver(neonTarget("neonWebSocket", url), options);
}

/**
 * A driver over a WebSocket.
 *
 * @param target Where it connects to.
 * @param options How.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function webSocketDriver(
  target: LazyTarget,
  options: NeonWebSocketOptions,
): Driver {
  return clientDriver({
    name: "neon",
    target,
    connectTimeout: options.connectTimeout ?? 10_000,
    parserOf: typeParsers(types),
    pieceSize: Infinity,
    makeClient: (target) => makeClient(target, options),
  });
}

/** The class that is used where none is given; else it is the global one. */
function ownWebSocket(): WebSocketConstructor | undefined {
  return denoNet() === undefined ? undefined : NodelaySocket;
}

/**
 * Neon's client would ask for an upgrade by `fetch`, which fails and does not
 * say why.
 */
function noWebSocket(): ConnectionError {
  return new ConnectionError(
    "CONNECT_FAILED",
    'Cannot open WebSocket: this runtime has none; give neon() the option "WebSocket", such as the class of the package ws',
  );
}

/** Where a local endpoint is asked for a WebSocket. */
function proxyOf({ host, port }: ConnectionTarget): () => string {
  return () => `${host}:${port}/v2`;
}

function makeClient(
  target: ConnectionTarget,
  options: NeonWebSocketOptions,
): WireClient {
  const client = new Client({
    host: target.host,
    port: target.port,
    database: target.database,
    user: target.user,
    // TLS is around the WebSocket.
    ssl: false,
  });
  // Settings of this client only: the package's global ones stay untouched.
  const socket = client.neonConfig;
  const WebSocket = options.WebSocket ?? ownWebSocket();
  if (WebSocket) socket.webSocketConstructor = WebSocket;
  // It may be among the package's own settings.
  const found = socket.webSocketConstructor ?? globalThis.WebSocket;
  if (found === undefined) throw noWebSocket();
  if (isLocal(target.host)) {
    socket.wsProxy = proxyOf(target);
    socket.useSecureWebSocket = false;
  }
  // Start-up, password and the first flight have to share one frame, which
  // costs a timer. Later flights are one frame by themselves.
  client.connection.once("backendKeyData", () => {
    socket.coalesceWrites = false;
  });
  // The package's declarations are those of an older `pg`: they ask for a
  // second argument that its code does not take.
  return client as unknown as WireClient;
}
