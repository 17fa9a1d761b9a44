import { orGivenUp } from "../driver/give_up.ts";
import type { ConnectionTarget } from "../driver/url.ts";
import type { WireClient } from "./client.ts";

/** Milliseconds that a cancel request may take. */
const CANCEL_DEADLINE = 2_000;

/**
 * Asks the server to stop what a client runs. The request needs a connection
 * of its own, which the server closes without an answer (PostgreSQL,
 * "Canceling Requests in Progress").
 *
 * @param running The client whose statement is to stop.
 * @param messenger One that was never connected.
 * @param target Where both belong.
 * @returns Settles when the server has it, or cannot be reached.
 */
export async function cancelRequest(
  running: WireClient,
  messenger: WireClient,
  { host, port }: Pick<ConnectionTarget, "host" | "port">,
): Promise<void> {
  const { processID, secretKey } = running;
  if (typeof processID !== "number") return;
  const { connection } = messenger;
  connection.ssl = running.connection.ssl;
  const ended = new Promise<void>((resolve) => {
    connection.on("error", resolve);
    connection.on("end", resolve);
  });
  const send = () => connection.cancel(processID, secretKey);
  connection.on("connect", () => {
    if (!connection.ssl) return send();
    // Or TLS begins by itself.
    if (connection.sslNegotiation !== "direct") connection.requestSsl();
  });
  connection.on("sslconnect", send);
  // As `pg` reaches a server by a socket in a folder.
  if (host.startsWith("/")) connection.connect(`${host}/.s.PGSQL.${port}`);
  else connection.connect(port, host);
  try {
    await orGivenUp(ended, { timeout: CANCEL_DEADLINE });
  } catch {
    // Nobody waits for it; the connection below it is dropped all the same.
  } finally {
    connection.stream.destroy();
  }
}
