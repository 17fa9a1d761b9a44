import type { Field } from "../driver/statement.ts";
import type { FrontendMessages } from "./frontend.ts";

/** The socket below a client: what is written here goes out as it is. */
export interface ClientStream {
  /** Sends bytes. */
  write(bytes: Uint8Array): unknown;
  /** Closes without a goodbye. */
  destroy(): unknown;
  /** Listens for bytes that arrive. */
  on?(event: "data", listener: () => void): unknown;
  /**
   * The WebSocket that carries it, if one does, which says goodbye all the same
   * and waits to hear one; some can also be ended at once.
   */
  readonly ws?: { terminate?(): unknown } | null | undefined;
}

/** The same as a client reads from it. */
export interface ReadableStream {
  on(event: string, listener: (bytes: Uint8Array) => void): unknown;
}

/** The protocol connection inside a client of `pg` or Neon. */
export interface ClientConnection extends FrontendMessages {
  /** Its socket. */
  stream: ClientStream;
}

/** The same before a client has logged in: what a cancel request needs. */
export interface BareConnection extends ClientConnection {
  /** Reads messages from a socket; called once there is one. */
  attachListeners: (stream: ReadableStream) => unknown;
  /** Tells the client of an error. */
  emit(event: "error", error: Error): unknown;
  /** Its TLS settings, if it speaks TLS. */
  ssl: unknown;
  /** Whether it asks for that first, or begins with it. */
  readonly sslNegotiation?: string;
  /** Opens the socket, which may be one that is a file. */
  connect(portOrPath: number | string, host?: string): unknown;
  /** Asks for TLS. */
  requestSsl(): unknown;
  /** Asks the server to stop what another connection runs. */
  cancel(processID: number, secretKey: unknown): unknown;
  on(
    event: "connect" | "sslconnect" | "error" | "end",
    listener: () => void,
  ): unknown;
  once(event: "readyForQuery", listener: () => void): unknown;
}

/**
 * What `pg` and Neon's client call on an object given to `query()` that
 * brings its own protocol messages (`pg-cursor` is one).
 */
export interface Submittable {
  /** Called by `query()`, which otherwise would add a property. */
  callback: () => void;
  submit(connection: ClientConnection): null;
  handleRowDescription(message: { readonly fields: readonly Field[] }): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleEmptyQuery(): void;
  handlePortalSuspended(): void;
  handleCopyInResponse(connection: ClientConnection): void;
  handleCopyData(): void;
  handleError(error: unknown): void;
  handleReadyForQuery(): void;
}

/** What a client says at the start, besides user and database. */
export interface StartUp {
  password: string;
  application_name: string | undefined;
  options: string | undefined;
  replication: string | undefined;
}

/** The part of a client of `pg` or Neon that is used. */
export interface WireClient {
  readonly connection: BareConnection;
  /** What it logs in with. */
  password: string;
  /** What it says at the start; left out, it is as the environment says. */
  readonly connectionParameters: StartUp;
  /** The server's process, once it has said so. */
  readonly processID?: number | null;
  /** What proves that a cancel request comes from here. */
  readonly secretKey?: unknown;
  connect(): Promise<unknown>;
  query(submittable: Submittable): unknown;
  end(): Promise<unknown>;
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
}
