import { ConnectionError } from "../errors/connection_error.ts";
import { joinChunks } from "../wire/frontend.ts";
import {
  closeQuietly,
  type Dial,
  dialDeno,
  type SocketConn,
} from "./_deno_dial.ts";
import {
  encodeFrame,
  FrameReader,
  OPCODE,
  type SocketMessage,
} from "./_socket_frames.ts";
import {
  acceptOf,
  handshakeKey,
  handshakeRequest,
  headOf,
  refusalOf,
} from "./_socket_handshake.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** As much as Deno's own WebSocket takes. */
const MAX_MESSAGE = 64 * 1024 * 1024;

/** Bytes that the head of an answer may have. */
const MAX_HEAD = 16 * 1024;

/** Milliseconds that a server has to answer a goodbye. */
const CLOSE_TIMEOUT = 5_000;

/** Bytes that are read at once: most connections live for one short answer. */
const READ_SIZE = 16 * 1024;

/**
 * A WebSocket that writes each message at once, in one piece.
 *
 * Deno's own writes header and payload apart with Nagle's algorithm on, so that
 * the payload of a longer message waits for the server to acknowledge the
 * header: some 40 ms, because servers delay that.
 *
 * It is what Neon's client needs of a WebSocket (RFC 6455), no more: no
 * subprotocols, no extensions, and binary data as `ArrayBuffer` only.
 */
export class NodelaySocket {
  /** How binary messages are handed out; there is no other way. */
  binaryType = "arraybuffer";

  readonly #events = new EventTarget();
  readonly #dialling = new AbortController();
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  #state = CONNECTING;
  #conn: SocketConn | undefined;
  #writing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** What the server's close frame carries. */
  #goodbye: Uint8Array<ArrayBuffer> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Starts to connect.
   *
   * @param url Where to: `ws:` or `wss:`.
   * @param dial Opens the connection below.
   * @throws {TypeError} When the URL is none.
   */
  constructor(url: string, dial: Dial = dialDeno) {
    void this.#run(new URL(url), dial);
  }

  /** As in browsers: 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): number {
    return this.#state;
  }

  /**
   * Listens, as in browsers.
   *
   * @param type What for.
   * @param listener Is called with the event.
   */
  addEventListener(
    type: "open" | "message" | "close" | "error",
    listener: (event: Event) => void,
  ): void {
    this.#events.addEventListener(type, listener);
  }

  /**
   * Sends a message; one that comes too late is dropped, as in browsers.
   *
   * @param data Bytes, or text.
   * @throws {DOMException} When it is not open yet.
   */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.#state === CONNECTING) {
      throw new DOMException("Cannot send: not open yet", "InvalidStateError");
    }
    if (this.#state !== OPEN) return;
    if (typeof data === "string") {
      this.#write(OPCODE.text, new TextEncoder().encode(data));
    } else this.#write(OPCODE.binary, bytesOf(data));
  }

  /**
   * Says goodbye, without a code, and closes once the server has answered; what
   * was sent before goes out first.
   */
  close(): void {
    if (this.#state === CONNECTING) {
      this.#dialling.abort();
      this.#fail(lost("Cannot open WebSocket: it was closed"));
    } else if (this.#state === OPEN) this.#bid(new Uint8Array());
  }

  /** Ends it at once, as the class of the package `ws` does. */
  terminate(): void {
    this.close();
    clearTimeout(this.#timer);
    this.#release();
  }

  /** From the first byte to the last event; it never rejects. */
  async #run(url: URL, dial: Dial): Promise<void> {
    try {
      const conn = await this.#dial(url, dial);
      const rest = await this.#shakeHands(conn, url);
      this.#state = OPEN;
      this.#events.dispatchEvent(new Event("open"));
      await this.#read(conn, rest);
    } catch (error) {
      this.#fail(error);
    }
    // An answer to the server's goodbye may be on its way.
    await this.#writing;
    clearTimeout(this.#timer);
    this.#release();
    this.#tellEnd();
  }

  async #dial(url: URL, dial: Dial): Promise<SocketConn> {
    const conn = await dial(url, this.#dialling.signal);
    this.#conn = conn;
    // Not every version of Deno gives a connect up.
    this.#dialling.signal.throwIfAborted();
    return conn;
  }

  /** Returns what came behind the answer: the first frames may. */
  async #shakeHands(conn: SocketConn, url: URL): Promise<Uint8Array> {
    const key = handshakeKey();
    await writeAll(conn, handshakeRequest(url, key));
    const { text, rest } = await readHead(conn);
    const refusal = refusalOf(text, acceptOf(key));
    if (refusal !== undefined) throw lost(`Cannot open WebSocket: ${refusal}`);
    this.#dialling.signal.throwIfAborted();
    return rest;
  }

  async #read(conn: SocketConn, rest: Uint8Array): Promise<void> {
    const frames = new FrameReader(MAX_MESSAGE);
    const buffer = new Uint8Array(READ_SIZE);
    let bytes = rest;
    while (true) {
      for (const message of frames.read(bytes)) this.#take(message);
      if (this.#goodbye !== undefined) return;
      const count = await conn.read(buffer);
      if (count === null) throw lost("Cannot read WebSocket: it has ended");
      bytes = buffer.subarray(0, count);
    }
  }

  #take({ opcode, payload }: SocketMessage): void {
    // Behind a goodbye, whoever said it, nothing counts but the answer to it.
    if (this.#goodbye !== undefined) return;
    if (opcode === OPCODE.close) this.#goodbye = payload;
    if (this.#state !== OPEN) return;
    if (opcode === OPCODE.close) this.#bid(payload);
    else if (opcode === OPCODE.ping) this.#write(OPCODE.pong, payload);
    else if (opcode !== OPCODE.pong) {
      const data = opcode === OPCODE.text
        ? new TextDecoder("utf-8", { fatal: true }).decode(payload)
        : payload.buffer;
      this.#events.dispatchEvent(new MessageEvent("message", { data }));
    }
  }

  #bid(goodbye: Uint8Array): void {
    this.#write(OPCODE.close, goodbye);
    this.#state = CLOSING;
    this.#timer = setTimeout(() => this.#release(), CLOSE_TIMEOUT);
  }

  #write(opcode: number, payload: Uint8Array): void {
    const mask = crypto.getRandomValues(new Uint8Array(4));
    this.#queue.push(encodeFrame(opcode, payload, mask));
    this.#writing ??= this.#drain();
  }

  /** Writes one frame after the other: two at once could mix. */
  async #drain(): Promise<void> {
    try {
      while (this.#conn !== undefined) {
        const frame = this.#queue.shift();
        if (frame === undefined) break;
        await writeAll(this.#conn, frame);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writing = undefined;
    }
  }

  /** The first failure counts, and none once a goodbye was said. */
  #fail(error: unknown): void {
    if (this.#state !== CLOSING) {
      this.#failure ??= { error };
      this.#state = CLOSING;
    }
    this.#release();
  }

  /** Ends what reads and writes. */
  #release(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    if (conn !== undefined) closeQuietly(conn);
  }

  #tellEnd(): void {
    this.#state = CLOSED;
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      const message = error instanceof Error ? error.message : String(error);
      this.#events.dispatchEvent(new ErrorEvent("error", { error, message }));
    }
    this.#events.dispatchEvent(new CloseEvent("close", endOf(this.#goodbye)));
  }
}

function lost(message: string): ConnectionError {
  return new ConnectionError("CONNECTION_LOST", message);
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

/** How it ended, as a close event says it (RFC 6455, 7.1.5). */
function endOf(goodbye: Uint8Array<ArrayBuffer> | undefined): CloseEventInit {
  if (goodbye === undefined) return { code: 1006, wasClean: false };
  if (goodbye.length < 2) return { code: 1005, wasClean: true };
  return {
    code: new DataView(goodbye.buffer).getUint16(0),
    reason: new TextDecoder().decode(goodbye.subarray(2)),
    wasClean: true,
  };
}

async function writeAll(
  conn: SocketConn,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await conn.write(rest));
}

async function readHead(
  conn: SocketConn,
): Promise<{ readonly text: string; readonly rest: Uint8Array }> {
  const buffer = new Uint8Array(4096);
  let bytes = new Uint8Array();
  while (bytes.length < MAX_HEAD) {
    const count = await conn.read(buffer);
    if (count === null) {
      throw lost("Cannot open WebSocket: server closed the connection");
    }
    bytes = joinChunks([bytes, buffer.subarray(0, count)]);
    const head = headOf(bytes);
    if (head !== undefined) {
      return { text: head.text, rest: bytes.subarray(head.size) };
    }
  }
  throw lost(`Cannot open WebSocket: headers of over ${MAX_HEAD} bytes`);
}
