import { ConnectionError } from "../errors/connection_error.ts";

/** A connection below a WebSocket: the part of `Deno.Conn` that is used. */
export interface SocketConn {
  /** Reads some bytes; `null` at the end. */
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /** Writes some bytes, and says how many. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Ends it, and with it what still reads or writes. */
  close(): void;
}

/**
 * Opens a connection for a `ws:` or `wss:` URL.
 *
 * @param url Where to.
 * @param signal Gives it up.
 */
export type Dial = (url: URL, signal: AbortSignal) => Promise<SocketConn>;

/** A connection without TLS. */
interface TcpConn extends SocketConn {
  setNoDelay?(): void;
}

/** What is used of Deno's namespace; its types are not everybody's. */
export interface DenoNet {
  connect(options: {
    readonly hostname: string;
    readonly port: number;
    readonly signal: AbortSignal;
  }): Promise<TcpConn>;
  startTls(conn: TcpConn, options: {
    readonly hostname: string;
    readonly alpnProtocols: string[];
    readonly caCerts?: string[];
  }): Promise<SocketConn>;
}

/** What {@linkcode dialDeno} dials with. */
export interface DenoDialOptions {
  /**
   * The sockets.
   *
   * @default {Deno}
   */
  readonly net?: DenoNet | undefined;
  /**
   * Certificates to trust besides those that Deno trusts, as PEM.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[];
}

/**
 * Dials with Deno's own sockets, none of which waits for acknowledgements.
 *
 * Proxies that the environment names are not asked. A connection that is closed
 * in the middle of its TLS handshake Deno itself keeps until the server has
 * answered, or left (measured with Deno 2.9); nothing waits for that.
 *
 * @param url Where to.
 * @param signal Gives it up.
 * @param options What to dial with.
 * @throws {ConnectionError} When the runtime is another one.
 */
export async function dialDeno(
  url: URL,
  signal: AbortSignal,
  { net = denoNet(), caCerts = [] }: DenoDialOptions = {},
): Promise<SocketConn> {
  if (net === undefined) {
    throw new ConnectionError(
      "CONNECT_FAILED",
      "Cannot open WebSocket: this runtime is not Deno",
    );
  }
  const isSecure = url.protocol === "wss:";
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (isSecure ? 443 : 80));
  const conn = await net.connect({ hostname, port, signal });
  try {
    conn.setNoDelay?.();
    if (!isSecure) return conn;
    // TLS takes the socket over, and leaves it as it is.
    return await net.startTls(conn, {
      hostname,
      alpnProtocols: ["http/1.1"],
      caCerts: [...caCerts],
    });
  } catch (error) {
    closeQuietly(conn);
    throw error;
  }
}

/**
 * Closes a connection that may be closed, or may have been taken over.
 *
 * @param conn The connection.
 */
export function closeQuietly(conn: SocketConn): void {
  try {
    conn.close();
  } catch {
    // It was closed before.
  }
}

/** Deno's sockets, where there are some. */
export function denoNet(): DenoNet | undefined {
  const deno: unknown = Reflect.get(globalThis, "Deno");
  return isNet(deno) ? deno : undefined;
}

function isNet(deno: unknown): deno is DenoNet {
  return typeof deno === "object" && deno !== null &&
    "connect" in deno && typeof deno.connect === "function" &&
    "startTls" in deno && typeof deno.startTls === "function";
}
