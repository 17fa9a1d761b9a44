import type { BareConnection, ReadableStream } from "./client.ts";

/**
 * Makes a lost connection of what a client throws while it reads. It reads
 * inside of its socket's event, where nobody can catch: the process would end
 * of a login it does not know (GSSAPI), or of a message of a wrong length.
 *
 * @param connection The connection of a client, not connected yet.
 */
export function guardParser(connection: BareConnection): void {
  const attach = connection.attachListeners.bind(connection);
  function attachGuarded(stream: ReadableStream): void {
    attach(guardedStream(stream, connection));
  }
  connection.attachListeners = attachGuarded;
}

/** A stream whose listeners to data cannot throw. */
function guardedStream(
  stream: ReadableStream,
  connection: BareConnection,
): ReadableStream {
  let isBroken = false;
  return {
    on(event, listener) {
      if (event !== "data") return stream.on(event, listener);
      return stream.on(event, (bytes) => {
        // What follows begins anywhere.
        if (isBroken) return;
        try {
          listener(bytes);
        } catch (error) {
          isBroken = true;
          connection.emit("error", unreadable(error));
          connection.stream.destroy();
        }
      });
    },
  };
}

function unreadable(error: unknown): Error {
  // What is out of range may be a part of a value.
  const isTold = error instanceof Error && !(error instanceof RangeError);
  const reason = isTold ? `: ${error.message}` : "";
  return new Error(`what the server says cannot be read${reason}`);
}
