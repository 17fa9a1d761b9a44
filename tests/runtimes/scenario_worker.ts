import { neon } from "@nullpool/db/neon";
import { postgres } from "@nullpool/db/postgres";
import { runScenario } from "./scenario.ts";

/** What the test binds. */
interface Bindings {
  readonly NEON_URL: string;
  readonly POSTGRES_URL: string;
  readonly REPORT_URL: string;
}

/** A Worker that runs the scenario when it is asked anything. */
export default {
  async fetch(_request: Request, env: Bindings): Promise<Response> {
    const drivers = {
      neon: neon(env.NEON_URL),
      postgres: postgres(env.POSTGRES_URL),
    };
    await runScenario(drivers, env.REPORT_URL);
    return new Response();
  },
};
