// @ts-types="@types/pg"
import pg from "pg";
import type { Peer, Store } from "../peer.ts";

/** What a request does with a client of `pg`. */
export type PgStore = (
  client: pg.ClientBase,
  close: () => Promise<void>,
) => Store;

/**
 * A client for each request, or one of a pool's.
 *
 * @param store What is done with it.
 * @param options Of the client.
 */
export function pgPeer(store: PgStore, options: pg.ClientConfig = {}): Peer {
  return {
    prepare(connectionString, mode) {
      const config = { ...options, connectionString };
      if (mode === "warm") {
        const pool = new pg.Pool(config);
        return Promise.resolve(async () => {
          const client = await pool.connect();
          return store(client, () => {
            client.release();
            return Promise.resolve();
          });
        });
      }
      return Promise.resolve(async () => {
        const client = new pg.Client(config);
        await client.connect();
        return store(client, () => client.end());
      });
    },
  };
}
