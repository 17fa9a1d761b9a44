import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NullPool, PoolError } from "../../mod.ts";
import { command } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";

Deno.test("NullPool opens and closes around every checkout", async () => {
  await using database = await testDatabase();
  const pool = new NullPool(postgres(database.url));
  for (let i = 0; i < 3; i++) {
    const connection = await pool.checkout();
    await connection.send([command("select 1")]);
    assertEquals(await database.connections(), 1);
    void pool.checkin(connection);
    assertEquals(pool.status(), {
      checkedOut: 0,
      idle: 0,
      waiting: 0,
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
  assertEquals(
    timeout.message,
    "Cannot checkout connection: 1 of 1 are open for 20 ms",
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
  assertEquals(pool.status(), {
    checkedOut: 0,
    idle: 0,
    waiting: 0,
    closing: 0,
  });
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
