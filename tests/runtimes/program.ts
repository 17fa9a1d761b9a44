import { env } from "node:process";
import ws from "ws";
import { neon } from "@nullpool/db/neon";
import { postgres } from "@nullpool/db/postgres";
import { runScenario } from "./scenario.ts";

/** Node 20 has no WebSocket of its own. */
const hasWebSocket = "WebSocket" in globalThis;

// No `await` at the top level: CommonJS has none, and the program has to end
// by itself when nothing is left open.
void runScenario(
  {
    neon: neon(() => env.NEON_URL, hasWebSocket ? {} : { WebSocket: ws }),
    postgres: postgres(() => env.POSTGRES_URL),
  },
  String(env.REPORT_URL),
);
