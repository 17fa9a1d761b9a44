import { assertEquals } from "@std/assert";
import { asleep } from "../session/session_bed.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { leavingClient } from "../support/leaving_client.ts";
import { testDatabase } from "../support/postgres.ts";
import { startRawWorkerd } from "../support/raw_workerd.ts";
import { waitFor } from "../support/wait_for.ts";

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

Deno.test("NullPool on workerd", async (t) => {
  await using database = await testDatabase({
    setup: "create table kept (n int)",
  });
  await using worker = await startRawWorkerd(
    await bundleWorker("tests/pool/null_pool_worker.ts", { tcp: true }),
    { POSTGRES_URL: database.url },
  );
  async function ask(path: string): Promise<string> {
    const url = `http://127.0.0.1:${worker.port}${path}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    return await response.text();
  }
  async function rows(): Promise<number> {
    return (await database.query("select n from kept")).length;
  }

  await t.step(
    "a request that ends before its connection leaves its slot",
    async () => {
      for (let n = 1; n <= 4; n++) {
        assertEquals(await ask("/bounded/behind"), "ok");
        await database.waitFor(async () => await rows() === n);
      }
      assertEquals(await ask("/bounded/insert"), "ok");
      // All are told of.
      assertEquals(await ask("/bounded/ended"), "5");
      await database.query("delete from kept");
    },
  );

  await t.step(
    "a request that others keep from its turn is not gone",
    async () => {
      await ask("/bounded/peak");
      const answers = [ask("/bounded/long")];
      await asleep(database);
      answers.push(ask("/bounded/insert"), ask("/bounded/insert"));
      // Nobody could answer to the look of a timer before it was due again.
      const computed: Promise<string>[] = [];
      for (const before of [450, 30, 30, 30]) {
        await sleep(before);
        computed.push(ask("/bounded/compute"));
      }
      assertEquals(await Promise.all(answers), ["ok", "ok", "ok"]);
      await Promise.all(computed);
      assertEquals(await ask("/bounded/peak"), "1");
      await database.query("delete from kept");
    },
  );

  await t.step("a short wait finds who has gone as well", async () => {
    const slow = await leavingClient(worker.port, "GET /hasty/slow");
    await asleep(database);
    await slow.leave();
    await database.terminateAll();
    await waitFor(async () => await ask("/hasty/insert") === "ok");
    await database.query("delete from kept");
  });

  await t.step(
    "a wait without a timeout is no request that hangs",
    async () => {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => ask("/endless/insert")),
      );
      assertEquals(answers, answers.map(() => "ok"));
      assertEquals(await rows(), 10);
      await database.query("delete from kept");
    },
  );

  await t.step(
    "a client that leaves in the middle leaves a slot, and not its work",
    async () => {
      for (const name of ["bounded", "endless"]) {
        const slow = await leavingClient(worker.port, `GET /${name}/slow`);
        await asleep(database);
        // Behind it: it is served when it has gone as well.
        const waiting = await leavingClient(worker.port, `GET /${name}/insert`);
        await slow.leave();
        await waiting.leave();
        assertEquals(await ask(`/${name}/insert`), "ok");
        await database.terminateAll();
      }
      assertEquals(await rows(), 2);
    },
  );
});
