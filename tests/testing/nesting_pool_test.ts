import { assertEquals, assertRejects } from "@std/assert";
import { createEngine, PoolError, sessionmaker } from "../../mod.ts";
import { NestingPool } from "../../src/testing/_nesting_pool.ts";
import { recordingDriver } from "../../src/testing/mod.ts";

Deno.test("NestingPool a statement that waits for a session inside gives up", async () => {
  const driver = recordingDriver();
  const connection = await createEngine(driver).connect();
  let count = 0;
  const newName = () => `s${++count}`;
  const pool = new NestingPool({ connection, newName }, { timeout: 20 });
  const Session = sessionmaker(createEngine(driver, { pool: () => pool }));
  await using db = Session();
  pool.setBase(db.holder);
  await db.execute("select 1");
  const error = await assertRejects(
    () =>
      Session.begin(async (inner) => {
        await inner.execute("select 2");
        // Of the session that waits for this block.
        await db.execute("select 3");
      }),
    PoolError,
  );
  assertEquals(error.code, "POOL_TIMEOUT");
  await db.rollback();
  assertEquals(driver.log, [
    "connect",
    "savepoint s1; select 1",
    "savepoint s2; select 2",
    "rollback to savepoint s2; release savepoint s2",
    "rollback to savepoint s1; release savepoint s1",
  ]);
});
