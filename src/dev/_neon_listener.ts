import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Backend } from "./_backend.ts";
import type { FaultSource, NeonFault } from "./neon_faults.ts";
import { failureBody, HttpFailure } from "./_http_failure.ts";
import type { HttpPool } from "./_http_pool.ts";
import { isOwnHost, type OwnHosts } from "./_own_host.ts";
import { answerSql, type SqlHttpResponse } from "./_sql_over_http.ts";
import { WebSocketServer } from "./_websocket_server.ts";
import { WebSocketTunnel } from "./_websocket_tunnel.ts";

const CORS_HEADERS: Readonly<Record<string, string>> = {
  "allow": "OPTIONS, POST",
  "access-control-allow-origin": "*",
  "access-control-allow-headers":
    "Neon-Connection-String, Neon-Raw-Text-Output, Neon-Array-Mode, Neon-Pool-Opt-In, Neon-Batch-Isolation-Level, Neon-Batch-Read-Only, Neon-Batch-Deferrable, Authorization",
  "access-control-max-age": "86400",
};

/** Not an object with a message, as every other failure. */
const UNSUPPORTED: SqlHttpResponse = {
  status: 400,
  headers: {},
  body: JSON.stringify("query is not supported"),
};

/** How long a WebSocket may take to answer that the server goes away. */
const GOODBYE_MS = 200;

const MAX_FRAME_BYTES = 1 << 30;

/** How a listener answers. */
export interface ListenerOptions {
  /** The longest request and answer over HTTP. */
  readonly maxBytes: number;
  /** Says what goes wrong. */
  readonly faults: FaultSource;
  /** Under which names it is asked. */
  readonly hosts: OwnHosts;
}

/** The HTTP server with its requests and WebSockets. */
export class NeonListener {
  readonly #backend: Backend;
  readonly #pool: HttpPool;
  readonly #maxBytes: number;
  readonly #faults: FaultSource;
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  readonly #hosts: OwnHosts;
  readonly #tunnels = new Set<WebSocketTunnel>();
  readonly #requests = new Map<AbortController, Promise<void>>();

  /**
   * @param backend Where WebSockets log in.
   * @param pool Lends connections to HTTP requests.
   * @param options How it answers.
   */
  constructor(
    backend: Backend,
    pool: HttpPool,
    { maxBytes, faults, hosts }: ListenerOptions,
  ) {
    this.#faults = faults;
    this.#backend = backend;
    this.#pool = pool;
    this.#maxBytes = maxBytes;
    this.#hosts = hosts;
    this.#server = createServer((request, response) =>
      this.#serve(request, response)
    );
    // Without it a small answer waits for the acknowledgement of the last one.
    this.#server.on("connection", (socket: Socket) => socket.setNoDelay());
    this.#server.on(
      "upgrade",
      (request, socket, head) => this.#upgrade(request, socket, head),
    );
  }

  /**
   * Starts to listen.
   *
   * @param port The port, or 0.
   * @returns The port.
   * @throws {Error} When the port is in use.
   */
  listen(port: number): Promise<number> {
    const server = this.#server;
    const { hostname } = this.#hosts;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, hostname, () => {
        server.off("error", reject);
        resolve(boundPort(server.address()) ?? port);
      });
    });
  }

  /** Resolves when no request runs and no WebSocket is open. */
  async idle(): Promise<void> {
    while (this.#requests.size + this.#tunnels.size > 0) {
      const tunnels = Array.from(this.#tunnels, ({ closed }) => closed);
      await Promise.all([...this.#requests.values(), ...tunnels]);
    }
  }

  /** Stops listening, aborts requests and drops WebSockets. */
  async close(): Promise<void> {
    const stopped = new Promise<void>((resolve) =>
      this.#server.close(() => resolve())
    );
    for (const request of this.#requests.keys()) request.abort();
    for (const tunnel of this.#tunnels) tunnel.close();
    const timer = setTimeout(() => {
      for (const tunnel of this.#tunnels) tunnel.drop();
    }, GOODBYE_MS);
    try {
      await this.idle();
    } finally {
      clearTimeout(timer);
    }
    this.#server.closeAllConnections();
    await stopped;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!isOwnHost(request.headers.host, this.#hosts)) {
      socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n");
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const tunnel = new WebSocketTunnel(
        webSocket,
        this.#backend,
        this.#faults,
      );
      this.#tunnels.add(tunnel);
      tunnel.closed.finally(() => this.#tunnels.delete(tunnel));
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const client = new AbortController();
    response.on("close", () => {
      if (!response.writableFinished) client.abort();
    });
    const done = this.#answer(request, client.signal)
      .catch(failureAnswer)
      .then((answer) => send(response, answer))
      .catch((error) => void response.destroy(error))
      .finally(() => this.#requests.delete(client));
    this.#requests.set(client, done);
  }

  async #answer(
    request: IncomingMessage,
    signal: AbortSignal,
  ): Promise<SqlHttpResponse> {
    const { headers, method, url = "" } = request;
    if (!isOwnHost(headers.host, this.#hosts)) {
      throw new HttpFailure(403, "the host that was asked for is another one");
    }
    const isSql = url.split("?")[0] === "/sql";
    if (isSql && method === "OPTIONS") {
      return { status: 200, headers: CORS_HEADERS, body: "" };
    }
    if (!isSql || method !== "POST") return UNSUPPORTED;
    const body = await readBody(request, this.#maxBytes);
    const fault = await this.#faults.next("http", () => body);
    const early = await faultAnswer(fault, signal);
    if (early !== undefined) return early;
    const answer = await answerSql(
      { headers, body, signal },
      this.#pool,
      this.#maxBytes,
    );
    const isDropped = fault?.kind === "drop";
    const isCut = isDropped || fault?.kind === "truncate";
    return isCut
      ? { ...answer, sentBytes: isDropped ? 0 : answer.body.length >> 1 }
      : answer;
  }
}

/** The answer of whoever stands in front of the database, if it is not asked. */
async function faultAnswer(
  fault: NeonFault | undefined,
  signal: AbortSignal,
): Promise<SqlHttpResponse | undefined> {
  switch (fault?.kind) {
    case "status":
      return { status: fault.status, headers: {}, body: "upstream failure" };
    case "drop":
      return fault.when === "before"
        ? { status: 200, headers: {}, body: "", sentBytes: 0 }
        : undefined;
    case "stall":
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { status: 200, headers: {}, body: "", sentBytes: 0 };
    default:
      return undefined;
  }
}

async function readBody(
  request: IncomingMessage,
  maxBytes: number,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    // The rest is read and forgotten: a client that still sends would miss
    // the answer.
    if (size <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > maxBytes) {
    throw new HttpFailure(
      413,
      `request is too large (max is ${maxBytes} bytes)`,
    );
  }
  return Buffer.concat(chunks).toString("utf8");
}

function failureAnswer(error: unknown): SqlHttpResponse {
  const failure = error instanceof HttpFailure
    ? error
    : new HttpFailure(500, "internal error");
  return { status: failure.status, headers: {}, body: failureBody(failure) };
}

function send(
  response: ServerResponse,
  { status, headers, body, sentBytes }: SqlHttpResponse,
): void {
  if (response.destroyed) return;
  if (sentBytes === 0) return void response.destroy();
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes.length,
    "access-control-allow-origin": "*",
    "neon-request-id": randomUUID(),
    ...headers,
  });
  if (sentBytes === undefined) return void response.end(bytes);
  response.write(bytes.subarray(0, sentBytes), () => response.destroy());
}

function boundPort(address: AddressInfo | string | null): number | undefined {
  return typeof address === "object" ? address?.port : undefined;
}
