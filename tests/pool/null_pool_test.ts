import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { NullPool, PoolError } from "../../mod.ts";
import type { PoolHolder } from "../../src/driver/pool_holder.ts";
import { command } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { GatedDriver, settle } from "./gated_driver.ts";

Deno.test("NullPool opens and closes around every checkout", async () => {
  await using database = await testDatabase();
  const pool = new NullPool(postgres(database.url));
  for (let i = 0; i < 3; i++) {
    const connection = await pool.checkout();
    await connection.send([command("select 1")]);
    assertEquals(await database.connections(), 1);
    void pool.checkin(connection);
    const { checkedOut, idle, closing } = pool.status();
    assertEquals({ checkedOut, idle, closing }, {
      checkedOut: 0,
      idle: 0,
      closing: 1,
    });
    await pool.idle();
    await database.waitFor(async () => await database.connections() === 0);
  }
});

Deno.test("NullPool.checkin() takes each connection once", async () => {
  const pool = new NullPool(recordingDriver());
  const connection = await pool.checkout();
  await pool.checkin(connection);
  const error = await assertRejects(() => pool.checkin(connection), PoolError);
  assertEquals(error.code, "POOL_CHECKIN");
});

Deno.test("NullPool with maxOpen serves in order of arrival", async () => {
  const pool = new NullPool(recordingDriver(), { maxOpen: 2 });
  const served: number[] = [];
  await Promise.all(Array.from({ length: 8 }, async (_, n) => {
    const connection = await pool.checkout();
    served.push(n);
    await pool.checkin(connection);
  }));
  assertEquals(served, [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("NullPool with maxOpen never opens more", async () => {
  await using database = await testDatabase();
  const pool = new NullPool(postgres(database.url), { maxOpen: 3 });
  let most = 0;
  await Promise.all(Array.from({ length: 12 }, async () => {
    const connection = await pool.checkout();
    await connection.send([command("select pg_sleep(0.01)")]);
    most = Math.max(most, await database.connections());
    await pool.checkin(connection);
  }));
  assert(most <= 3, `${most} were open`);
  assertEquals(pool.status().waiting, 0);
});

Deno.test("NullPool gives the slot of a failed connect back", async () => {
  let refuse = true;
  const driver = recordingDriver();
  const pool = new NullPool({
    ...driver,
    connect: () =>
      refuse ? Promise.reject(new Error("down")) : driver.connect(),
  }, { maxOpen: 1 });
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => pool.checkout(), Error, "down");
  }
  refuse = false;
  await pool.checkin(await pool.checkout());
});

Deno.test("NullPool a wait ends by timeout, abort or dispose", async () => {
  const pool = new NullPool(recordingDriver(), { maxOpen: 1, timeout: 20 });
  const held = await pool.checkout();
  const timeout = await assertRejects(() => pool.checkout(), PoolError);
  assertEquals(timeout.code, "POOL_TIMEOUT");
  assertMatch(
    timeout.message,
    /^Cannot checkout connection: 1 of 1 in use for 20 ms \(unnamed for \d+ ms\)$/,
  );
  const abort = new AbortController();
  const aborted = pool.checkout({ signal: abort.signal });
  abort.abort(new Error("gone"));
  await assertRejects(() => aborted, Error, "gone");
  // Those who gave up took nobody's turn.
  const next = pool.checkout();
  await pool.checkin(held);
  const connection = await next;
  const waiting = pool.checkout();
  const refused = assertRejects(() => waiting, PoolError, "disposed");
  await pool.dispose();
  await refused;
  await pool.checkin(connection);
  const { waitTime, ...status } = pool.status();
  assert(waitTime >= 19, `${waitTime} ms waited`);
  assertEquals(status, {
    checkedOut: 0,
    idle: 0,
    waiting: 0,
    closing: 0,
    size: 0,
    overflow: 0,
    waits: 4,
  });
});

Deno.test("NullPool one served and aborted in the same turn loses no slot", async () => {
  const driver = recordingDriver();
  const pool = new NullPool(driver, { maxOpen: 1 });
  const held = await pool.checkout();
  const abort = new AbortController();
  const aborted = pool.checkout({ signal: abort.signal });
  const next = pool.checkout();
  pool.checkin(held).then(() => abort.abort(new Error("gone")));
  await assertRejects(() => aborted, Error, "gone");
  await pool.checkin(await next);
  assertEquals(driver.log.filter((entry) => entry === "connect").length, 2);
});

Deno.test("NullPool counts a slot until its connection is closed", async () => {
  const driver = new GatedDriver();
  const pool = new NullPool(driver, { maxOpen: 1 });
  const first = pool.checkout();
  await settle();
  driver.connects.forEach((connect) => connect.succeed());
  const closed = pool.checkin(await first);
  const second = pool.checkout();
  await settle();
  assertEquals(driver.open, 1);
  assertEquals(pool.status().waiting, 1);
  driver.openGates();
  await closed;
  await pool.checkin(await second);
});

Deno.test("NullPool with maxOpen refuses to wait for itself", async () => {
  const pool = new NullPool(recordingDriver(), { maxOpen: 1 });
  const request: PoolHolder = { name: "request" };
  const held = await pool.checkout({ holder: request });
  const error = await assertRejects(
    () => pool.checkout({ holder: { name: "task", parent: request } }),
    PoolError,
    '"task" would wait for the connection of "request"',
  );
  assertEquals(error.code, "POOL_SELF_DEADLOCK");
  // On its way back it is held by nobody.
  void pool.checkin(held);
  await pool.checkin(await pool.checkout({ holder: request }));
});

Deno.test("NullPool.dispose() closes under a holder at the deadline", async () => {
  await using database = await testDatabase();
  const pool = new NullPool(postgres(database.url));
  const held = await pool.checkout();
  // PostgreSQL sees that its client went when the statement ends.
  const flight = held.send([command("begin"), command("select pg_sleep(0.3)")]);
  await pool.dispose({ deadline: 20 });
  assert("failure" in await flight);
  await database.waitFor(async () => await database.connections() === 0);
  await pool.checkin(held);
  await assertRejects(() => pool.checkin(held), PoolError, "not lent");
});

Deno.test("NullPool.dispose() waits for holders that come back", async () => {
  const driver = recordingDriver();
  const pool = new NullPool(driver);
  const held = await pool.checkout();
  const disposed = pool.dispose({ deadline: 60_000 });
  await pool.checkin(held);
  await disposed;
  assertEquals(driver.log, ["connect", "close"]);
  await assertRejects(
    () => pool.dispose({ deadline: -1 }),
    RangeError,
    "deadline",
  );
});

Deno.test("NullPool refuses bad options by name", () => {
  for (const maxOpen of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => new NullPool(recordingDriver(), { maxOpen }),
      RangeError,
      "maxOpen",
    );
  }
  assertThrows(
    () => new NullPool(recordingDriver(), { timeout: -1 }),
    RangeError,
    "timeout",
  );
});
