import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { Peer } from "../peer.ts";
import { drizzleStore } from "./drizzle_store.ts";

/** Drizzle on `postgres`. */
export const drizzlePostgres: Peer = {
  prepare(url, mode) {
    if (mode === "warm") {
      const kept = drizzleStore(
        drizzle(postgres(url)),
        () => Promise.resolve(),
      );
      return Promise.resolve(() => Promise.resolve(kept));
    }
    return Promise.resolve(() => {
      const own = postgres(url);
      return Promise.resolve(drizzleStore(drizzle(own), () => own.end()));
    });
  },
};
