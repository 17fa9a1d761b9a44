import { Pool } from "@neondatabase/serverless";
import { drizzle } from "drizzle-orm/neon-serverless";
import type { Peer } from "../peer.ts";
import { drizzleStore } from "./drizzle_store.ts";
import { useLocalEndpoint } from "./neon_settings.ts";

/** Drizzle on Neon's WebSocket driver. */
export const drizzleNeonServerless: Peer = {
  prepare(connectionString, mode) {
    useLocalEndpoint(connectionString);
    function pool(): Pool {
      return new Pool({ connectionString });
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
