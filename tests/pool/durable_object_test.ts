import { assertEquals } from "@std/assert";
import { asleep } from "../session/session_bed.ts";
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
  const database = await testDatabase();
  const running = await startWorkerd(
    await bundleWorker("tests/pool/durable_object_worker.ts", { tcp: true }),
    {
      compatibilityFlags: ["nodejs_compat"],
      bindings: { POSTGRES_URL: database.url },
      durableObjects: { ROOM: "Room" },
    },
  );
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

async function ask(path: string): Promise<string> {
  // workerd ends a block that takes longer than 30 seconds.
  const signal = AbortSignal.timeout(10_000);
  return await (await shared().fetch(path, { signal })).text();
}

Deno.test("a Durable Object that blocks its concurrency waits its turn", async () => {
  const sleeping = ask("/sleep");
  await asleep(shared().database);
  assertEquals(await Promise.all([sleeping, ask("/room")]), [
    "slept",
    "loaded",
  ]);
});

Deno.test("a Durable Object that cannot say that it waits is counted", async () => {
  const answers = [ask("/sleep")];
  await asleep(shared().database);
  answers.push(ask("/room"), ask("/sleep"));
  let least = 0;
  const all = Promise.all(answers);
  let isOver = false;
  void all.then(() => isOver = true);
  while (!isOver) {
    const { closing } = JSON.parse(await ask("/status"));
    least = Math.min(least, closing);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await all, ["slept", "loaded", "slept"]);
  assertEquals(least, 0);
});
