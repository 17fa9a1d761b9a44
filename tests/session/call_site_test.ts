import { assert, assertMatch, assertRejects } from "@std/assert";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";

const HERE = /call_site_test\.ts:\d+:\d+/;

Deno.test("Development mode names both call sites", async () => {
  const engine = createEngine(recordingDriver(), { mode: "development" });
  await using db = sessionmaker(engine)();

  const running = db.execute("select 1").then(() => {});
  const busy = await assertRejects(() => db.commit(), StateError);
  assertMatch(busy.message, HERE);
  assertMatch(busy.stack ?? "", HERE);
  await running;

  await db.transaction(async () => {
    const open = await assertRejects(async () => {
      await db.execute("select 2");
    }, StateError);
    assertMatch(open.message, HERE);
  });

  await db.close();
  const closed = await assertRejects(() => db.begin(), StateError);
  assertMatch(closed.message, HERE);
});

Deno.test("Production mode takes no stack", async () => {
  let stacks = 0;
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = (error) => `${error.message}: ${stacks++}`;
  try {
    await using db = sessionmaker(createEngine(recordingDriver()))();
    await db.execute("select 1");
    await db.transaction(async (tx) => {
      await tx.execute("select 2");
    });
    await db.commit();
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
  assert(stacks === 0, `${stacks} stacks`);
});
