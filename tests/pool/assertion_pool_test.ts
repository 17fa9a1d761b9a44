import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { PoolError } from "../../mod.ts";
import { command } from "../../src/driver/statement.ts";
import { AssertionPool } from "../../src/pool/assertion_pool.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";

Deno.test("AssertionPool shows where the first checkout was made", async () => {
  const pool = new AssertionPool(recordingDriver());
  async function borrowFirst() {
    return await pool.checkout();
  }
  const held = await borrowFirst();
  const error = await assertRejects(() => pool.checkout(), PoolError);
  assertEquals(error.code, "POOL_SECOND_CHECKOUT");
  assertStringIncludes(error.message, "borrowed here:\n    at borrowFirst");
  assertFalse(error.message.includes("assertion_pool.ts"));
  await pool.checkin(held);
  await pool.dispose();
});

Deno.test("AssertionPool lends one after the other", async () => {
  await using database = await testDatabase();
  const pool = new AssertionPool(postgres(database.url));
  for (let i = 0; i < 3; i++) {
    const connection = await pool.checkout();
    await connection.send([command("select 1")]);
    await assertRejects(() => pool.checkout(), PoolError);
    await pool.checkin(connection);
  }
  assertEquals(await database.connections(), 1);
  await pool.dispose();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("AssertionPool a failed checkout is not out", async () => {
  const driver = recordingDriver();
  let refuse = true;
  const pool = new AssertionPool({
    ...driver,
    connect: () =>
      refuse ? Promise.reject(new Error("down")) : driver.connect(),
  });
  await assertRejects(() => pool.checkout(), Error, "down");
  refuse = false;
  const connection = await pool.checkout();
  await pool.checkin(connection, { discard: true });
  await assertRejects(() => pool.checkin(connection), PoolError, "not lent");
  // Only the one that is out can come back.
  const other = await pool.checkout();
  await assertRejects(() => pool.checkin(connection), PoolError, "not lent");
  await assertRejects(() => pool.checkout(), PoolError, "another one is out");
  await pool.checkin(other, { discard: true });
  // Closed, so the next one opens another.
  await pool.checkin(await pool.checkout());
  assertEquals(driver.log, [
    "connect",
    "close",
    "connect",
    "close",
    "connect",
  ]);
  assertEquals(pool.status().size, 1);
  await pool.dispose();
  await pool.idle();
  await assertRejects(() => pool.checkout(), PoolError, "disposed");
});
