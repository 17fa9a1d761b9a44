import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { PoolError, StaticPool } from "../../mod.ts";
import { command } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";

Deno.test("StaticPool lends one connection to one holder at a time", async () => {
  await using database = await testDatabase();
  const pool = new StaticPool(postgres(database.url));
  const order: number[] = [];
  let holders = 0;
  await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const connection = await pool.checkout();
    assertEquals(++holders, 1);
    order.push(n);
    await connection.send([command("select 1")]);
    holders--;
    await pool.checkin(connection);
  }));
  assertEquals(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(await database.connections(), 1);
  await pool.dispose();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("StaticPool opens another one when its own is thrown away", async () => {
  await using database = await testDatabase();
  const pool = new StaticPool(postgres(database.url));
  const first = await pool.checkout();
  const waiting = pool.checkout();
  await pool.checkin(first, { discard: true });
  const second = await waiting;
  assert(second !== first);
  await pool.checkin(second);
  await database.terminateAll();
  // The loss is noticed by the client, not by asking.
  await database.waitFor(() => !second.usable);
  const third = await pool.checkout();
  const { results } = await third.send([command("select 1")]);
  assertEquals(results.length, 1);
  await pool.checkin(third);
  await pool.dispose();
});

Deno.test("StaticPool a failed connect leaves it free", async () => {
  const driver = recordingDriver();
  let refuse = true;
  const pool = new StaticPool({
    ...driver,
    connect: () =>
      refuse ? Promise.reject(new Error("down")) : driver.connect(),
  });
  const both = await Promise.allSettled([pool.checkout(), pool.checkout()]);
  assertEquals(both.map(({ status }) => status), ["rejected", "rejected"]);
  refuse = false;
  await pool.checkin(await pool.checkout());
  assertEquals(pool.status().idle, 1);
  await pool.dispose();
});

Deno.test("StaticPool a wait ends by timeout, abort or dispose", async () => {
  const pool = new StaticPool(recordingDriver(), { timeout: 20 });
  const held = await pool.checkout();
  const timeout = await assertRejects(() => pool.checkout(), PoolError);
  assertEquals(timeout.code, "POOL_TIMEOUT");
  const abort = new AbortController();
  const aborted = pool.checkout({ signal: abort.signal });
  abort.abort(new Error("gone"));
  await assertRejects(() => aborted, Error, "gone");
  const refused = assertRejects(() => pool.checkout(), PoolError, "disposed");
  await pool.dispose();
  await refused;
  await pool.checkin(held);
  await assertRejects(() => pool.checkout(), PoolError, "disposed");
  await assertRejects(() => pool.checkin(held), PoolError, "not lent");
  assertFalse(held.usable);
});
