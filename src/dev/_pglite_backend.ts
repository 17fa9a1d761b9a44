import { Duplex } from "node:stream";
import type { Backend } from "./_backend.ts";
import type { BackendStream } from "./_pg_client.ts";
import { PGliteLease } from "./_pglite_lease.ts";
import type { PGliteLike } from "./pglite_like.ts";
import { readParameters } from "./_pglite_parameters.ts";
import { PGliteSession } from "./_pglite_session.ts";

/**
 * A PGlite instance as backend: any user and password is accepted.
 *
 * @param db The instance, which stays the caller's to close.
 * @returns The backend, once the database is up.
 */
export async function pgliteBackend(db: PGliteLike): Promise<Backend> {
  await db.waitReady;
  const lease = new PGliteLease(db);
  const parameters = await readParameters(lease);
  return {
    defaultCredentials: {
      user: "postgres",
      password: "password",
      database: "postgres",
    },
    keepsConnections: false,
    target: () => ({
      host: "pglite",
      port: 5432,
      stream: () => openStream(lease, parameters),
    }),
    // A statement runs on this thread: there is no moment to interrupt it.
    cancel: () => Promise.resolve(),
  };
}

/** A socket whose other end is a session on PGlite. */
function openStream(
  lease: PGliteLease,
  parameters: ReadonlyMap<string, string>,
): BackendStream {
  const session = new PGliteSession(lease, parameters, {
    send: (bytes) => stream.push(bytes),
    end: () => stream.destroy(),
  });
  const duplex = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      session.receive(chunk);
      done();
    },
    destroy(error, done) {
      session.leave().then(() => done(error), done);
    },
  });
  const stream: BackendStream = Object.assign(duplex, {
    connect: () => queueMicrotask(() => duplex.emit("connect")),
    setNoDelay: () => duplex,
  });
  return stream;
}
