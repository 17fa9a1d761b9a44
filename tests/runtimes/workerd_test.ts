import { assert, assertEquals } from "@std/assert";
import { databaseWorker } from "../support/database_worker.ts";

const shared = databaseWorker("tests/runtimes/worker.ts", {
  tcp: true,
  setup: "create table kept (n int primary key, note text)",
  runtime: ({ tcp, neon }) => ({
    compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
    bindings: { NEON_URL: neon, POSTGRES_URL: tcp },
    hyperdrives: { HYPERDRIVE: tcp },
  }),
});

Deno.test("workerd", async (t) => {
  const worker = shared();
  const { database, endpoint } = worker;

  async function post(path: string): Promise<[number, unknown]> {
    const response = await worker.fetch(path, { method: "POST" });
    return [response.status, await response.json()];
  }

  await t.step("a stream's pull() has no scope of its own", async () => {
    const response = await worker.fetch("/pull");
    // workerd calls it outside of any context; `bind` is the cure.
    assertEquals(await response.json(), ["NO_SCOPE", "closed"]);
  });

  for (const driver of ["neon", "postgres", "hyperdrive"]) {
    await t.step(`${driver}: a session per request`, async () => {
      for (const n of [1, 2, 3]) {
        assertEquals(await post(`/${driver}/kept/${n}`), [
          200,
          [{ n, note: "nested" }],
        ]);
      }
      assertEquals((await post(`/${driver}/kept/-1`))[0], 422);
      assertEquals(await post(`/${driver}/kept/1`), [500, {
        code: "INTEGRITY_VIOLATION",
        message:
          '23505 unique_violation on table "kept", constraint "kept_pkey"',
      }]);
      assertEquals((await database.query("select n from kept")).length, 3);
      await database.waitFor(async () => await database.connections() === 0);
      await database.query("delete from kept");
    });

    await t.step(`${driver}: 50 requests at once never mix`, async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, n) => post(`/${driver}/kept/${n}`)),
      );
      assertEquals(
        answers,
        answers.map((_, n) => [200, [{ n, note: "nested" }]]),
      );
      assertEquals((await database.query("select n from kept")).length, 50);
      await database.waitFor(async () => await database.connections() === 0);
      await database.query("delete from kept");
    });
  }

  await t.step("no WebSocket is left", async () => {
    // A goodbye that was not answered yet keeps a timer.
    await endpoint.idle();
  });

  // A WebSocket that a Worker keeps stays open until its isolate goes.
  for (const driver of ["neon", "postgres"]) {
    await t.step(
      `${driver}: a kept connection is refused, not hung`,
      async () => {
        const path = `/static-${driver}/pid`;
        const first = await worker.fetch(path);
        assertEquals([first.status, typeof await first.json()], [
          200,
          "number",
        ]);
        const response = await worker.fetch(path, {
          signal: AbortSignal.timeout(5_000),
        });
        const { code, message } = await response.json();
        assertEquals(code, "FOREIGN_REQUEST");
        assert(message.includes("NullPool"), message);
        // Its own request has closed it.
        await database.waitFor(async () => await database.connections() === 0);
      },
    );
  }
});
