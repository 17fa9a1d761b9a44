import {
  assert,
  assertEquals,
  assertFalse,
  assertNotStrictEquals,
  assertStrictEquals,
} from "@std/assert";
import { ConnectionError, createEngine, sessionmaker } from "../../mod.ts";
import type { Connection } from "../../src/driver/connection.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { command } from "../../src/driver/statement.ts";
import { QueuePool } from "../../src/pool/queue_pool.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const SELECT = [command("select 1")];

/** Connections of a network that swallows the news of a lost peer. */
function numb(driver: Driver): Driver {
  return {
    ...driver,
    async connect(options) {
      const connection = await driver.connect(options);
      const numbed = {
        usable: true,
        async send(statements: Parameters<Connection["send"]>[0]) {
          const flight = await connection.send(statements);
          numbed.usable = connection.usable;
          return flight;
        },
        close: () => connection.close(),
      };
      return numbed;
    },
  };
}

/** Runs a statement on a connection of the pool; tells whether it worked. */
async function works(pool: QueuePool): Promise<boolean> {
  const connection = await pool.checkout();
  const flight = await connection.send(SELECT);
  const isLost = "failure" in flight;
  await pool.checkin(connection, { discard: isLost });
  return !isLost;
}

// SQLAlchemy, QueuePoolTest._test_overflow
Deno.test("QueuePool never has more open than it may, and keeps poolSize", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url), {
    poolSize: 3,
    maxOverflow: 2,
  });
  assertEquals(await database.connections(), 0);
  let most = 0;
  await Promise.all(Array.from({ length: 40 }, async () => {
    const connection = await pool.checkout();
    await connection.send([command("select pg_sleep(0.01)")]);
    most = Math.max(most, await database.connections());
    await pool.checkin(connection, { discard: Math.random() < 0.3 });
  }));
  assert(most <= 5, `${most} were open`);
  const all = [];
  for (let i = 0; i < 5; i++) all.push(await pool.checkout());
  await database.waitFor(async () => await database.connections() === 5);
  for (const connection of all) await pool.checkin(connection);
  await pool.idle();
  await database.waitFor(async () => await database.connections() === 3);
  assertEquals(pool.status().idle, 3);
  await pool.dispose();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("QueuePool lends connections to sessions", async () => {
  await using database = await testDatabase({
    setup: "create table visit (n int)",
  });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new QueuePool(driver, { poolSize: 2, maxOverflow: 1 }),
  });
  const Session = sessionmaker(engine);
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      Session.begin(async (db) => {
        await db.execute(`insert into visit values (${n})`);
        most = Math.max(most, await database.connections());
      })),
  );
  assertEquals(most, 3);
  assertEquals(
    await database.query("select count(*)::int as count from visit"),
    [{ count: 20 }],
  );
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 2);
  assertEquals(await database.openTransactions(), 0);
});

Deno.test("QueuePool after a restart each holder sees one error, nobody else any", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(numb(postgres(database.url)), { poolSize: 6 });
  const out = await Promise.all(
    Array.from({ length: 6 }, () => pool.checkout()),
  );
  for (const idle of out.splice(0, 3)) await pool.checkin(idle);
  assertEquals(await database.terminateAll(), 6);
  let losses = 0;
  for (const connection of out) {
    const flight = await connection.send(SELECT);
    if ("failure" in flight) losses++;
    await pool.checkin(connection, { discard: true });
  }
  assertEquals(losses, 3);
  const worked = await Promise.all(
    Array.from({ length: 6 }, () => works(pool)),
  );
  assertEquals(worked.filter((each) => !each), []);
  await pool.dispose();
});

Deno.test("QueuePool after a restart each open transaction sees one error", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(numb(postgres(database.url)), {
    pool: (driver) => new QueuePool(driver, { poolSize: 5, maxOverflow: 0 }),
  });
  const Session = sessionmaker(engine);
  const sessions = Array.from({ length: 5 }, () => Session());
  for (const db of sessions) await db.execute("select 1");
  for (const db of sessions.slice(0, 2)) await db.commit();
  assertEquals(await database.terminateAll(), 5);
  const errors: number[] = [];
  // Those in a transaction first: whoever is told condemns the idle ones.
  for (const db of sessions.toReversed()) {
    let count = 0;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await db.execute("select 2");
        await db.commit();
      } catch (error) {
        if (error instanceof ConnectionError) count++;
        await db.rollback();
      }
    }
    errors.push(count);
    await db.close();
  }
  assertEquals(errors, [1, 1, 1, 0, 0]);
});

Deno.test("QueuePool prePing hides a restart from everybody", async () => {
  for (const prePing of [true, false]) {
    await using database = await testDatabase();
    const pool = new QueuePool(numb(postgres(database.url)), { prePing });
    assert(await works(pool));
    await database.terminateAll();
    assertEquals(await works(pool), prePing);
    assert(await works(pool));
    await pool.dispose();
    await database.waitFor(async () => await database.connections() === 0);
  }
});

Deno.test("QueuePool replaces a connection whose loss it was told", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url));
  const first = await pool.checkout();
  await pool.checkin(first);
  await database.terminateAll();
  await database.waitFor(() => !first.usable);
  const second = await pool.checkout();
  assertNotStrictEquals(second, first);
  assertFalse("failure" in await second.send(SELECT));
  await pool.checkin(second);
  await pool.dispose();
});

Deno.test("QueuePool.invalidate() ends the transaction of its holder", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url), {
    poolSize: 1,
    maxOverflow: 0,
  });
  const stuck = await pool.checkout();
  await stuck.send([command("begin"), command("select 1")]);
  const waiting = pool.checkout();
  await pool.invalidate(stuck);
  const next = await waiting;
  await next.send(SELECT);
  await database.waitFor(async () => await database.connections() === 1);
  assertEquals(await database.openTransactions(), 0);
  await pool.checkin(stuck);
  await pool.checkin(next);
  await pool.dispose();
});

Deno.test("QueuePool.detach() leaves the connection open", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url));
  const listener = await pool.checkout();
  pool.detach(listener);
  await pool.dispose({ deadline: 0 });
  assertFalse("failure" in await listener.send([command("listen news")]));
  assertEquals(await database.connections(), 1);
  await listener.close();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("QueuePool.dispose() closes under holders at the deadline", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url));
  const [idle, held] = [await pool.checkout(), await pool.checkout()];
  await pool.checkin(idle);
  await held.send([command("begin"), command("select 1")]);
  await pool.dispose({ deadline: 20 });
  await database.waitFor(async () => await database.connections() === 0);
  await pool.checkin(held);
});

// SQLAlchemy, ResetOnReturnTest
Deno.test("QueuePool rolls back what was not ended", async () => {
  await using database = await testDatabase({
    setup: "create table t (n int)",
  });
  const driver = postgres(database.url);
  const insert = [command("begin"), command("insert into t values (1)")];
  async function count(connection: Connection): Promise<unknown> {
    const { results } = await connection.send([
      { ...command("select count(*)::int from t"), rowMode: "array" },
    ]);
    return results[0]?.rows;
  }
  for (const resetOnReturn of ["rollback", "none"] as const) {
    const pool = new QueuePool(driver, { resetOnReturn });
    const first = await pool.checkout();
    await first.send(insert);
    await pool.checkin(first, { inTransaction: true });
    const isReset = resetOnReturn === "rollback";
    assertEquals(await database.openTransactions(), isReset ? 0 : 1);
    const again = await pool.checkout();
    assertStrictEquals(again, first);
    assertEquals(await count(again), [[isReset ? 0 : 1]]);
    await pool.dispose({ deadline: 0 });
  }
  // A transaction that the server has failed is rolled back as well.
  const pool = new QueuePool(driver);
  const failed = await pool.checkout();
  await failed.send([command("begin"), command("select 1/0")]);
  await pool.checkin(failed, { inTransaction: true });
  assert(await works(pool));
  // And a lost one is replaced.
  const lost = await pool.checkout();
  await lost.send(insert);
  await database.terminateAll();
  await pool.checkin(lost, { inTransaction: true });
  assert(await works(pool));
  await pool.dispose();
});

Deno.test("QueuePool an aborted checkout leaves no connection", async () => {
  await using database = await testDatabase();
  const pool = new QueuePool(postgres(database.url), {
    poolSize: 2,
    maxOverflow: 0,
  });
  for (let i = 0; i < 10; i++) {
    const abort = new AbortController();
    const checkouts = Array.from(
      { length: 4 },
      () => pool.checkout({ signal: abort.signal }),
    );
    setTimeout(() => abort.abort(), i);
    for (const outcome of await Promise.allSettled(checkouts)) {
      if (outcome.status === "fulfilled") await pool.checkin(outcome.value);
      abort.abort();
    }
  }
  assertEquals(await Promise.all([works(pool), works(pool)]), [true, true]);
  await pool.dispose();
  await database.waitFor(async () => await database.connections() === 0);
});
