import { assertEquals } from "@std/assert";
import { bundleWorker } from "../support/bundle_worker.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import {
  aroundTests,
  type RunningWorker,
  startWorkerd,
} from "../support/workerd.ts";

/** A Worker and its database. */
interface Worker extends RunningWorker {
  readonly database: TestDatabase;
}

async function startWorker(): Promise<Worker> {
  const contents = await bundleWorker("tests/runtimes/kept_pool_worker.ts", {
    tcp: true,
  });
  const database = await testDatabase();
  const running = await startWorkerd(contents, {
    compatibilityFlags: ["nodejs_compat"],
    bindings: { POSTGRES_URL: database.url },
  });
  return {
    database,
    fetch: running.fetch,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await database.drop();
    },
  };
}

const shared = aroundTests(startWorker);

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
