import type { ClientConnection, ClientStream } from "./client.ts";
import { joinChunks } from "./frontend.ts";

/**
 * Gathers what a client writes. What fits into one piece leaves as one; of
 * something longer the server has the beginning while the rest is written.
 */
export class Pieces implements ClientStream {
  /** As a client's socket says it. */
  readonly writable = true;
  readonly #send: (bytes: Uint8Array) => unknown;
  readonly #size: number;
  #chunks: Uint8Array[] = [];
  #gathered = 0;

  /**
   * @param send Sends a piece.
   * @param size How many bytes fit into one.
   */
  constructor(send: (bytes: Uint8Array) => unknown, size: number) {
    this.#send = send;
    this.#size = size;
  }

  /**
   * Takes all that is written to a connection meanwhile, and sends it.
   *
   * @param connection The connection.
   * @param write Writes to it.
   */
  gather(connection: ClientConnection, write: () => void): void {
    const { stream } = connection;
    // In its place meanwhile: a connection that inherits from this one would
    // make it a prototype, which V8 is slow with from then on.
    connection.stream = this;
    try {
      write();
      this.#end();
    } finally {
      connection.stream = stream;
    }
  }

  /** Takes what a client writes. */
  write(bytes: Uint8Array): boolean {
    this.#chunks.push(bytes);
    this.#gathered += bytes.byteLength;
    if (this.#gathered > this.#size) this.#end();
    return true;
  }

  /** Nothing closes it while a flight is written. */
  destroy(): void {}

  /** Sends what is left. */
  #end(): void {
    if (this.#gathered === 0) return;
    this.#send(joinChunks(this.#chunks));
    this.#chunks = [];
    this.#gathered = 0;
  }
}
