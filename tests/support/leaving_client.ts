import { connect } from "node:net";

/** A client that can leave before it was answered. */
export interface LeavingClient {
  /** How many bytes have arrived. */
  received(): number;
  /** Resets the connection: a polite end is not noticed. */
  leave(): Promise<void>;
}

/**
 * Sends a request.
 *
 * @param port Where to, on 127.0.0.1.
 * @param request Method and path.
 */
export async function leavingClient(
  port: number,
  request: string,
): Promise<LeavingClient> {
  const socket = connect(port, "127.0.0.1");
  let received = 0;
  socket.on("data", (bytes) => received += bytes.length);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("connect", () => resolve()));
  socket.write(
    `${request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`,
  );
  return {
    received: () => received,
    leave: () =>
      new Promise<void>((resolve) => {
        socket.on("close", () => resolve());
        socket.resetAndDestroy();
      }),
  };
}
