import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Hono } from "hono";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import { dbSession } from "../../src/hono/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { bundleNode } from "../support/bundle_node.ts";
import { runProgram } from "../support/node.ts";

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

Deno.test("Development mode names whoever asks an application, and not what leads to its middleware", async () => {
  const engine = createEngine(recordingDriver(), { mode: "development" });
  const places: string[] = [];
  engine.on("sessionOpen", ({ place }) => places.push(place));
  const app = new Hono().use(dbSession(sessionmaker(engine)))
    .get("/", (c) => c.text("ok"));
  await app.request("/");
  assertMatch(places[0] ?? "", HERE);
});

Deno.test("Development mode names no place in a bundle, where each would be this library's own", async () => {
  const output = await Deno.makeTempFile({ suffix: ".mjs" });
  try {
    await bundleNode("tests/session/bundled_call.ts", output);
    const program = await runProgram(Deno.execPath(), ["run", "-A", output]);
    assertEquals(program, {
      code: 0,
      output:
        "opened\nStateError: Cannot execute: the session is closed; open another one\n",
    });
  } finally {
    await Deno.remove(output);
  }
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
