import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import type { Buffer } from "node:buffer";
import { WebSocketServer } from "ws";
import {
  type Dial,
  dialDeno,
  type SocketConn,
} from "../../src/neon/_deno_dial.ts";
import type { NodelaySocket } from "../../src/neon/_nodelay_socket.ts";
import { acceptOf } from "../../src/neon/_socket_handshake.ts";
import { CERTIFICATE } from "../support/certificate.ts";

/** The side of a server, by the package `ws`, which ships no types. */
export interface PeerSocket {
  send(
    data: Uint8Array | string,
    options?: { readonly fin?: boolean; readonly binary?: boolean },
  ): void;
  ping(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  on(
    event: "message" | "pong",
    listener: (data: Buffer, isBinary: boolean) => void,
  ): void;
  on(
    event: "close",
    listener: (code: number, reason: Buffer) => void,
  ): void;
}

/** A server of WebSockets that knows nothing of our code. */
export interface SocketPeer extends AsyncDisposable {
  readonly url: string;
  /** Cuts all of its connections. */
  cut(): void;
}

/** Serves WebSockets by the package `ws`. */
export async function socketPeer(
  opened: (socket: PeerSocket) => void,
  options: { readonly isSecure?: boolean } = {},
): Promise<SocketPeer> {
  const { isSecure = false } = options;
  const server: Server = isSecure
    ? createSecureServer(CERTIFICATE)
    : createServer();
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket: PeerSocket) => opened(socket));
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  function cut(): void {
    for (const each of connections) each.destroy();
  }
  return {
    url: `${isSecure ? "wss" : "ws"}://localhost:${port}/v2`,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A server that says whatever a test wants it to. */
export interface RawPeer extends AsyncDisposable {
  readonly url: string;
  /** The head of the first request. */
  readonly request: Promise<string>;
  /** Resolves when the client has ended a connection. */
  readonly left: Promise<void>;
}

/**
 * Takes connections, and reads them until their end.
 *
 * @param answer Is given a connection and the head of its request.
 */
export function rawPeer(
  answer: (conn: Deno.TcpConn, request: string) => Promise<void>,
): RawPeer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const request = Promise.withResolvers<string>();
  const left = Promise.withResolvers<void>();
  async function serve(conn: Deno.TcpConn): Promise<void> {
    try {
      const buffer = new Uint8Array(65_536);
      let head = "";
      while (!head.endsWith("\r\n\r\n")) {
        const count = await conn.read(buffer);
        if (count === null) return;
        head += new TextDecoder().decode(buffer.subarray(0, count));
      }
      request.resolve(head);
      await answer(conn, head);
      while (await conn.read(buffer) !== null);
    } catch {
      // Closed, by either side.
    } finally {
      left.resolve();
      try {
        conn.close();
      } catch {
        // The answer was to close it.
      }
    }
  }
  const serving = (async () => {
    const running: Promise<void>[] = [];
    for await (const conn of listener) running.push(serve(conn));
    await Promise.all(running);
  })();
  return {
    url: `ws://127.0.0.1:${listener.addr.port}/v2`,
    request: request.promise,
    left: left.promise,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

/** What a server says to a request that it takes. */
export function upgrade(request: string): string {
  const key = /^Sec-WebSocket-Key: (.+)\r$/m.exec(request)?.[1] ?? "";
  return [
    "HTTP/1.1 101 Switching Protocols",
    "upgrade: WebSocket",
    "connection: keep-alive, Upgrade",
    `sec-websocket-accept: ${acceptOf(key)}`,
    "\r\n",
  ].join("\r\n");
}

/** Dials, and lets a test stand between. */
export function dialThrough(
  change: (conn: SocketConn) => Partial<SocketConn>,
): Dial {
  return async (url, signal) => {
    const conn = await dialDeno(url, signal);
    return {
      read: (into) => conn.read(into),
      write: (bytes) => conn.write(bytes),
      close: () => conn.close(),
      ...change(conn),
    };
  };
}

/** What a socket has told. */
export interface Heard {
  /** In order: `open`, a message, `error: why`, `close 1005 clean`. */
  readonly log: string[];
  readonly opened: Promise<void>;
  readonly ended: Promise<void>;
  /** The next message. */
  next(): Promise<string | ArrayBuffer>;
}

/** Listens to all that a socket tells. */
export function hear(socket: NodelaySocket): Heard {
  const log: string[] = [];
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const waiting: ((data: string | ArrayBuffer) => void)[] = [];
  socket.addEventListener("open", () => {
    log.push("open");
    opened.resolve();
  });
  socket.addEventListener("message", (event) => {
    if (!(event instanceof MessageEvent)) return;
    const { data } = event;
    log.push(typeof data === "string" ? data : `${data.byteLength} bytes`);
    waiting.shift()?.(data);
  });
  socket.addEventListener("error", (event) => {
    if (event instanceof ErrorEvent) log.push(`error: ${event.message}`);
  });
  socket.addEventListener("close", (event) => {
    if (!(event instanceof CloseEvent)) return;
    const { code, reason, wasClean } = event;
    const how = wasClean ? "clean" : "unclean";
    log.push(["close", code, reason, how].filter(Boolean).join(" "));
    ended.resolve();
  });
  return {
    log,
    opened: opened.promise,
    ended: ended.promise,
    next: () => new Promise((resolve) => waiting.push(resolve)),
  };
}
