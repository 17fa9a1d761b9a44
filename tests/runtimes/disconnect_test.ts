import { assert, assertEquals } from "@std/assert";
import { serveNeon } from "../../src/dev/mod.ts";
import { asleep } from "../session/session_bed.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { leavingClient } from "../support/leaving_client.ts";
import { testDatabase } from "../support/postgres.ts";
import { startRawWorkerd } from "../support/raw_workerd.ts";

Deno.test("workerd: a client that leaves ends its request's work", async () => {
  const contents = await bundleWorker("tests/runtimes/disconnect_worker.ts", {
    tcp: true,
  });
  await using database = await testDatabase({
    setup: "create table kept (n int)",
  });
  await using endpoint = await serveNeon({ backend: database.url, port: 0 });
  const neonUrl = new URL(database.url);
  neonUrl.port = String(endpoint.port);
  await using worker = await startRawWorkerd(contents, {
    NEON_URL: neonUrl.href,
    POSTGRES_URL: database.url,
  });
  for (const driver of ["postgres", "neon"]) {
    const slow = await leavingClient(worker.port, `POST /${driver}/slow`);
    await asleep(database);
    await slow.leave();
    // Cancelled on the server, and rolled back: nothing of it is left.
    await database.waitFor(async () => await database.connections() === 0);
    const reading = await leavingClient(worker.port, `GET /${driver}/stream`);
    await database.waitFor(() => reading.received() > 10_000);
    assert(await database.openTransactions() > 0);
    await reading.leave();
    await database.waitFor(
      async () => await database.connections() === 0,
      20_000,
    );
  }
  assertEquals(await database.query("select n from kept"), []);
});
