import { assertEquals } from "@std/assert";
import { asleep } from "../session/session_bed.ts";
import { databaseWorker } from "../support/database_worker.ts";

const shared = databaseWorker("tests/pool/durable_object_worker.ts", {
  tcp: true,
  runtime: ({ tcp }) => ({
    compatibilityFlags: ["nodejs_compat"],
    bindings: { POSTGRES_URL: tcp },
    durableObjects: { ROOM: "Room" },
  }),
});

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
