import { simpleQuery } from "./_messages.ts";
import type { PGliteLike } from "./pglite_like.ts";

/** Gives a lease back. */
export type Release = () => void;

/** One of the clients that share a PGlite instance. */
export interface PGliteClient {
  /** Delivers a notification that came up while another client had the lease. */
  notify(message: Uint8Array): void;
}

/** What `DISCARD ALL` does, in pieces that may share a simple query. */
const RESET =
  "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/**
 * Lends the one connection of PGlite to many clients, one at a time and in
 * order of arrival.
 */
export class PGliteLease {
  readonly #db: PGliteLike;
  readonly #clients = new Set<PGliteClient>();
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param db The instance.
   */
  constructor(db: PGliteLike) {
    this.#db = db;
  }

  /**
   * Waits for the connection.
   *
   * @returns Gives it back.
   */
  acquire(): Promise<Release> {
    return new Promise((resolve, reject) => {
      this.#db._runExclusiveTransaction(() =>
        new Promise<void>((release) => resolve(release))
      ).catch(reject);
    });
  }

  /**
   * Runs messages; call it with the lease in hand. A database that has failed
   * is not asked again: PGlite 0.5 does not come back from the next call.
   *
   * @param messages Whole messages.
   * @returns The answers.
   */
  async execute(messages: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      return await this.#db.execProtocolRaw(messages);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Notes that a client is there. */
  join(client: PGliteClient): void {
    this.#clients.add(client);
  }

  /**
   * Notes that a client has left. When it was the last one, what they left in
   * the session is forgotten: then an HTTP request leaves nothing behind, and
   * a reset cannot take anything from a client that is still there.
   */
  async leave(client: PGliteClient): Promise<void> {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    const release = await this.acquire();
    try {
      if (this.#clients.size === 0) await this.execute(simpleQuery(RESET));
    } finally {
      release();
    }
  }

  /** Passes a notification on to every client but the one that has read it. */
  broadcast(message: Uint8Array, reader: PGliteClient): void {
    for (const client of this.#clients) {
      if (client !== reader) client.notify(message);
    }
  }
}
