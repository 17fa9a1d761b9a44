import { assert, assertEquals } from "@std/assert";
import { connect } from "node:net";
import { serveNeon } from "../../src/dev/mod.ts";
import { asleep } from "../session/session_bed.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { testDatabase } from "../support/postgres.ts";
import { type RawWorker, startRawWorkerd } from "../support/raw_workerd.ts";

/** Sends a request, and resets the connection when told so: no polite end is noticed. */
async function ask(worker: RawWorker, request: string) {
  const socket = connect(worker.port, "127.0.0.1");
  let received = 0;
  socket.on("data", (bytes) => received += bytes.length);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.on("connect", () => resolve()));
  socket.write(
    `${request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`,
  );
  return {
    received: () => received,
    leave: () =>
      new Promise<void>((resolve) => {
        socket.on("close", () => resolve());
        socket.resetAndDestroy();
      }),
  };
}

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
    const slow = await ask(worker, `POST /${driver}/slow`);
    await asleep(database);
    await slow.leave();
    // Cancelled on the server, and rolled back: nothing of it is left.
    await database.waitFor(async () => await database.connections() === 0);
    const reading = await ask(worker, `GET /${driver}/stream`);
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
