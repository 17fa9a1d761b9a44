import { drizzle } from "drizzle-orm/node-postgres";
// @ts-types="@types/pg"
import pg from "pg";
import type { Peer } from "../peer.ts";
import { drizzleStore } from "./drizzle_store.ts";

/** Drizzle on `pg`. */
export const drizzlePg: Peer = {
  prepare(connectionString, mode) {
    function pool(): pg.Pool {
      return new pg.Pool({ connectionString });
    }
    if (mode === "warm") {
      const kept = drizzleStore(drizzle(pool()), () => Promise.resolve());
      return Promise.resolve(() => Promise.resolve(kept));
    }
    return Promise.resolve(() => {
      const own = pool();
      return Promise.resolve(drizzleStore(drizzle(own), () => own.end()));
    });
  },
};
