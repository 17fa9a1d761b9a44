import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { PoolError, StaticPool } from "../../mod.ts";
import type { PoolHolder } from "../../src/driver/pool_holder.ts";
import { command } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { GatedDriver, settle } from "./gated_driver.ts";

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
  // A connection may be lent while the server still looks at its password.
  await second.send([command("select 1")]);
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
  const timeout = await assertRejects(
    () => pool.checkout(),
    PoolError,
    "1 of 1 in use for 20 ms",
  );
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

Deno.test("StaticPool one that gives up in the same turn loses no slot", async () => {
  const pool = new StaticPool(recordingDriver());
  for (const isAbortedFirst of [true, false]) {
    const held = await pool.checkout();
    const abort = new AbortController();
    const aborted = assertRejects(
      () => pool.checkout({ signal: abort.signal }),
      Error,
      "gone",
    );
    if (isAbortedFirst) abort.abort(new Error("gone"));
    void pool.checkin(held);
    abort.abort(new Error("gone"));
    await aborted;
    await pool.checkin(await pool.checkout());
  }
  assertEquals(pool.status().idle, 1);
  await pool.dispose();
});

Deno.test("StaticPool refuses to wait for itself", async () => {
  const pool = new StaticPool(recordingDriver());
  const request: PoolHolder = { name: "request" };
  const held = await pool.checkout({ holder: request });
  const error = await assertRejects(
    () => pool.checkout({ holder: { name: "task", parent: request } }),
    PoolError,
    '"task" would wait for the connection of "request", which waits for it; end that transaction first',
  );
  assertEquals(error.code, "POOL_SELF_DEADLOCK");
  assertEquals(pool.status().waits, 0);
  // A stranger waits, and the request may come again.
  const stranger = pool.checkout({ holder: { name: "stranger" } });
  await pool.checkin(held);
  await pool.checkin(await stranger);
  await pool.checkin(await pool.checkout({ holder: request }));
  await pool.dispose();
});

Deno.test("StaticPool throws a connection away whose transaction is open", async () => {
  await using database = await testDatabase();
  const pool = new StaticPool(postgres(database.url));
  const first = await pool.checkout();
  await first.send([command("begin"), command("select 1")]);
  await pool.checkin(first, { inTransaction: true });
  const second = await pool.checkout();
  await second.send([command("select 1")]);
  await database.waitFor(async () => await database.openTransactions() === 0);
  await pool.checkin(second);
  await pool.dispose();
});

Deno.test("StaticPool opens no second connection beside a broken one", async () => {
  const driver = new GatedDriver();
  driver.isOpen = true;
  const pool = new StaticPool(driver);
  await pool.checkin(await pool.checkout());
  driver.connections.forEach((connection) => connection.usable = false);
  driver.isOpen = false;
  const next = pool.checkout();
  await settle();
  assertEquals([driver.closes.size, driver.connects.size], [1, 0]);
  driver.openGates();
  await pool.checkin(await next);
  await pool.dispose();
});

Deno.test("StaticPool.status() counts as SQLAlchemy does", async () => {
  const pool = new StaticPool(recordingDriver());
  assertEquals(pool.status(), {
    checkedOut: 0,
    idle: 0,
    waiting: 0,
    closing: 0,
    size: 1,
    overflow: -1,
    waits: 0,
    waitTime: 0,
  });
  const held = await pool.checkout();
  assertEquals(pool.status().overflow, 0);
  await pool.checkin(held);
  assertEquals(pool.status().overflow, 0);
  await pool.dispose({ deadline: 0 });
});
