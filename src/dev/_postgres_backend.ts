import { connect } from "node:net";
import { parseConnectionUrl } from "../driver/url.ts";
import type { Backend } from "./_backend.ts";
import { cancelRequest } from "./_messages.ts";

/**
 * A PostgreSQL server as backend. Clients log in there with their own user,
 * password and database; of the URL only host and port are used for them.
 *
 * @param url `postgres://user:password@host:port/database`.
 * @returns The backend.
 * @throws {TypeError} When it is not such a URL, or has parameters.
 */
export function postgresBackend(url: string): Backend {
  const { host, port, user, password, database, params } = parseConnectionUrl(
    url,
  );
  if (params.size > 0) {
    throw new TypeError(
      "Cannot serve the database URL: its parameters would be ignored",
    );
  }
  return {
    defaultCredentials: { user, password: password ?? "password", database },
    keepsConnections: true,
    target: () => ({ host, port }),
    cancel: (processId, secretKey) =>
      sendAndClose(host, port, cancelRequest(processId, secretKey)),
  };
}

function sendAndClose(
  host: string,
  port: number,
  bytes: Uint8Array,
): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.end(bytes));
    socket.on("error", () => socket.destroy());
    // The server closes when it has signalled the process.
    socket.on("close", () => resolve());
    socket.resume();
  });
}
