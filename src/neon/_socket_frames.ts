import { ConnectionError } from "../errors/connection_error.ts";
import { joinChunks } from "../wire/frontend.ts";

/** What a frame is, as RFC 6455 numbers it (section 11.8). */
export const OPCODE = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

const OPCODES: ReadonlySet<number> = new Set(Object.values(OPCODE));

/** A whole message, or a control frame. */
export interface SocketMessage {
  /** One of {@linkcode OPCODE}, never a continuation. */
  readonly opcode: number;
  /** Its bytes, in a buffer of their own. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** A frame that arrives. */
interface Frame extends SocketMessage {
  /** Whether its message ends with it. */
  readonly isLast: boolean;
  /** How many bytes of its payload are here. */
  filled: number;
}

/**
 * One frame of a client, header and payload in one piece: written apart, the
 * payload would wait until the server has acknowledged the header.
 *
 * @param opcode One of {@linkcode OPCODE}.
 * @param payload What it carries; it is copied.
 * @param mask Four random bytes.
 */
export function encodeFrame(
  opcode: number,
  payload: Uint8Array,
  mask: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = 6 + lengthBytes;
  const frame = new Uint8Array(start + length);
  const view = new DataView(frame.buffer);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 |
    (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) view.setUint16(2, length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(length));
  frame.set(mask, start - 4);
  for (let at = 0; at < length; at++) {
    frame[start + at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  }
  return frame;
}

/** Makes messages of the bytes of a server, however they are cut. */
export class FrameReader {
  readonly #maxSize: number;
  readonly #header = new Uint8Array(10);
  #headerLength = 0;
  #frame: Frame | undefined;
  /** The message that is still to be continued, in pieces. */
  #pieces: Uint8Array[] = [];
  #opcode: number | undefined;

  /**
   * Creates a reader.
   *
   * @param maxSize Bytes that a message may have.
   */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /**
   * Takes bytes in.
   *
   * @param bytes The next ones; they are copied.
   * @returns The messages that end in them.
   * @throws {ConnectionError} When they break the protocol.
   */
  *read(bytes: Uint8Array): Generator<SocketMessage, void, void> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#frame === undefined) {
        this.#header[this.#headerLength++] = bytes[at++] ?? 0;
        if (this.#headerLength < headerSize(this.#header, this.#headerLength)) {
          continue;
        }
        this.#headerLength = 0;
        this.#frame = this.#begin(new DataView(this.#header.buffer));
      }
      const frame = this.#frame;
      const missing = frame.payload.length - frame.filled;
      const part = bytes.subarray(at, at + missing);
      frame.payload.set(part, frame.filled);
      frame.filled += part.length;
      at += part.length;
      if (part.length < missing) return;
      this.#frame = undefined;
      const message = this.#end(frame);
      if (message !== undefined) yield message;
    }
  }

  #begin(header: DataView): Frame {
    const first = header.getUint8(0);
    const second = header.getUint8(1);
    const opcode = first & 0x0f;
    const isLast = first >= 0x80;
    const size = second === 127
      ? Number(header.getBigUint64(2))
      : second === 126
      ? header.getUint16(2)
      : second;
    check((first & 0x70) === 0 && OPCODES.has(opcode), "of an unknown kind");
    check(second < 0x80, "that is masked");
    if (opcode >= OPCODE.close) {
      check(isLast && size < 126, "of control that is cut or too long");
      check(opcode !== OPCODE.close || size !== 1, "with half a code");
    } else {
      check(
        (opcode === OPCODE.continuation) === (this.#opcode !== undefined),
        "out of order",
      );
      const before = this.#pieces.reduce((sum, { length }) => sum + length, 0);
      check(
        before + size <= this.#maxSize,
        `over the ${this.#maxSize} bytes of a message`,
      );
    }
    return { opcode, isLast, payload: new Uint8Array(size), filled: 0 };
  }

  /** The message that a frame completes, if it does. */
  #end(frame: Frame): SocketMessage | undefined {
    if (frame.opcode >= OPCODE.close) return frame;
    if (frame.isLast && this.#opcode === undefined) return frame;
    this.#opcode ??= frame.opcode;
    this.#pieces.push(frame.payload);
    if (!frame.isLast) return undefined;
    const whole = { opcode: this.#opcode, payload: joinChunks(this.#pieces) };
    this.#opcode = undefined;
    this.#pieces = [];
    return whole;
  }
}

/** How many bytes a header has, as far as those that are here tell. */
function headerSize(header: Uint8Array, length: number): number {
  const second = length < 2 ? 0 : (header[1] ?? 0) & 0x7f;
  return second === 127 ? 10 : second === 126 ? 4 : 2;
}

function check(isRight: boolean, what: string): void {
  if (isRight) return;
  throw new ConnectionError(
    "CONNECTION_LOST",
    `Cannot read WebSocket: server sent a frame ${what}`,
  );
}
