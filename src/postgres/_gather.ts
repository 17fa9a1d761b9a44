import { joinChunks } from "../wire/frontend.ts";

/** A socket of the runtime, or that of `pg` on Workers. */
export interface GatheringStream {
  /** Behind the bytes may come an encoding, and who is told of the end. */
  write(bytes: Uint8Array, ...rest: unknown[]): unknown;
}

/**
 * Holds back what is written to a socket, and makes one packet of it.
 *
 * The socket's own `cork()` does the same, but Deno takes longer for it (2.9,
 * measured), and on Workers there is none.
 *
 * @param stream The socket.
 * @returns Sends it.
 */
export function gather(stream: GatheringStream): () => void {
  const { write } = stream;
  const chunks: Uint8Array[] = [];
  const told: ((error?: unknown) => void)[] = [];
  function hold(bytes: Uint8Array, ...rest: unknown[]): boolean {
    chunks.push(bytes);
    for (const each of rest) if (isFunction(each)) told.push(each);
    return true;
  }
  stream.write = hold;
  return () => {
    stream.write = write;
    stream.write(joinChunks(chunks), (error: unknown) => {
      for (const each of told) each(error);
    });
  };
}

function isFunction(value: unknown): value is (error?: unknown) => void {
  return typeof value === "function";
}
