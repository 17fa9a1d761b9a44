import { type Backend, type Credentials, login } from "./_backend.ts";
import { HttpConnection } from "./_http_connection.ts";

/** Lends connections to HTTP requests, and keeps some for the next ones. */
export class HttpPool {
  readonly #backend: Backend;
  readonly #poolSize: number;
  readonly #idle: { key: string; connection: HttpConnection }[] = [];
  readonly #busy = new Set<Promise<unknown>>();
  #isClosed = false;

  /**
   * @param backend Where connections lead.
   * @param poolSize How many are kept.
   */
  constructor(backend: Backend, poolSize: number) {
    this.#backend = backend;
    this.#poolSize = backend.keepsConnections ? poolSize : 0;
  }

  /**
   * Lends a connection.
   *
   * @param credentials As whom; a kept connection is lent to the same only.
   * @param signal Gives up a login.
   * @throws {Error} What `pg` reports.
   */
  async checkout(
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<HttpConnection> {
    const key = poolKey(credentials);
    for (;;) {
      const at = this.#idle.findLastIndex((kept) => kept.key === key);
      if (at === -1) break;
      const [kept] = this.#idle.splice(at, 1);
      if (kept?.connection.isOpen) return kept.connection;
    }
    return new HttpConnection(
      await login(this.#backend, credentials, signal),
      this.#backend,
    );
  }

  /**
   * Takes a connection back. In the background it is reset, which undoes an open
   * transaction, or closed.
   *
   * @param credentials As whom it was lent.
   * @param connection It.
   */
  checkin(credentials: Credentials, connection: HttpConnection): void {
    const done = this.#keepOrClose(poolKey(credentials), connection)
      .catch(() => connection.drop())
      .finally(() => this.#busy.delete(done));
    this.#busy.add(done);
  }

  /** Closes every connection that was given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#busy);
    const kept = this.#idle.splice(0);
    await Promise.all(kept.map(({ connection }) => connection.close()));
  }

  async #keepOrClose(key: string, connection: HttpConnection): Promise<void> {
    if (this.#poolSize > 0 && connection.isOpen) {
      await connection.reset();
      if (this.#idle.length < this.#poolSize && !this.#isClosed) {
        this.#idle.push({ key, connection });
        return;
      }
    }
    await connection.close();
  }
}

function poolKey({ user, password, database }: Credentials): string {
  return JSON.stringify([user, password, database]);
}
