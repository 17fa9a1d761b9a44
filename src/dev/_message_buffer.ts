import { Buffer } from "node:buffer";
import { START_UP_CODE } from "./_messages.ts";

/** The first packet of a client. */
export type StartUpPacket =
  | { readonly kind: "encryption" }
  | {
    readonly kind: "cancel";
    readonly processId: number;
    readonly secretKey: number;
  }
  | { readonly kind: "start"; readonly parameters: Map<string, string> }
  | { readonly kind: "invalid" };

/** One message with its type letter. */
export interface Message {
  readonly type: string;
  /** Type, length and body. */
  readonly bytes: Buffer;
}

const MAX_START_UP_BYTES = 10_000;

/** Cuts a byte stream into the messages of PostgreSQL's protocol. */
export class MessageBuffer {
  #bytes: Buffer = Buffer.alloc(0);

  /** Adds bytes at the end. */
  append(bytes: Uint8Array): void {
    this.#bytes = this.#bytes.length === 0
      ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : Buffer.concat([this.#bytes, bytes]);
  }

  /** Takes a whole start-up packet, which has no type letter. */
  takeStartUp(): StartUpPacket | undefined {
    if (this.#bytes.length < 8) return undefined;
    const length = this.#bytes.readUInt32BE(0);
    if (length < 8 || length > MAX_START_UP_BYTES) return { kind: "invalid" };
    if (this.#bytes.length < length) return undefined;
    return readStartUp(this.#take(length));
  }

  /** Takes the next whole message. */
  takeMessage(): Message | undefined {
    if (this.#bytes.length < 5) return undefined;
    const length = this.#bytes.readUInt32BE(1) + 1;
    if (this.#bytes.length < length) return undefined;
    const bytes = this.#take(length);
    return { type: String.fromCharCode(bytes[0] ?? 0), bytes };
  }

  /** Takes whatever is there. */
  takeRest(): Buffer {
    return this.#take(this.#bytes.length);
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }
}

function readStartUp(packet: Buffer): StartUpPacket {
  const code = packet.readUInt32BE(4);
  if (code === START_UP_CODE.ssl || code === START_UP_CODE.gssEncryption) {
    return { kind: "encryption" };
  }
  if (code === START_UP_CODE.cancel && packet.length === 16) {
    return {
      kind: "cancel",
      processId: packet.readInt32BE(8),
      secretKey: packet.readInt32BE(12),
    };
  }
  if (code >> 16 !== 3) return { kind: "invalid" };
  const words = packet.toString("utf8", 8).split("\0");
  const parameters = new Map<string, string>();
  for (let i = 0; i + 1 < words.length && words[i] !== ""; i += 2) {
    parameters.set(words[i] ?? "", words[i + 1] ?? "");
  }
  return { kind: "start", parameters };
}
