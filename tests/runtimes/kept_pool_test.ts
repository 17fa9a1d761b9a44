import { assertEquals } from "@std/assert";
import { databaseWorker } from "../support/database_worker.ts";

const shared = databaseWorker("tests/runtimes/kept_pool_worker.ts", {
  tcp: true,
  runtime: ({ tcp }) => ({
    compatibilityFlags: ["nodejs_compat"],
    bindings: { POSTGRES_URL: tcp },
  }),
});

Deno.test("workerd: a pool at module level hangs from the second request on, a session does not", async () => {
  const { fetch, database } = shared();
  async function statuses(path: string): Promise<number[]> {
    const found: number[] = [];
    for (let n = 0; n < 4; n++) {
      const response = await fetch(path, {
        signal: AbortSignal.timeout(20_000),
      });
      await response.body?.cancel();
      found.push(response.status);
    }
    return found;
  }
  assertEquals(await statuses("/session"), [200, 200, 200, 200]);
  await database.waitFor(async () => await database.connections() === 0);
  // 500: workerd has noticed that nothing would ever happen any more.
  assertEquals(await statuses("/1"), [200, 500, 500, 500]);
  // Whoever opens a connection is served, whoever is lent one is not.
  assertEquals(await statuses("/10"), [200, 500, 200, 500]);
});
