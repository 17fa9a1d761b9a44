import { assert, assertEquals } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  createEngine,
  type Engine,
  type EngineMode,
  type LeakEvent,
  QueuePool,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { collectGarbage, heapUsed } from "../support/collect_garbage.ts";
import { driverBeds } from "../support/drivers.ts";
import type { TestDatabase } from "../support/postgres.ts";

/** Forgets a session in the middle of its transaction. */
async function forget(engine: Engine, database: TestDatabase): Promise<void> {
  const db = sessionmaker(engine)({ name: "the forgetful one" });
  await db.execute("create table in_vain (id int)");
  assertEquals(await database.openTransactions(), 1);
  // Nobody collects it before.
  assert(db.inTransaction);
}

/** Collects garbage until something has happened. */
async function collected(
  database: TestDatabase,
  isDone: () => boolean | Promise<boolean>,
): Promise<void> {
  await database.waitFor(async () => {
    collectGarbage();
    return await isDone();
  });
}

for (const driver of ["postgres", "neon"] as const) {
  for (const mode of ["production", "development"] as const) {
    Deno.test(`a session that is dropped is told, and its connection closed, over ${driver} in ${mode}`, async () => {
      await using bed = await driverBeds[driver]?.();
      assert(bed?.database !== undefined);
      const { database } = bed;
      await using engine = createEngine(bed.driver, {
        mode,
        pool: (driver) =>
          new QueuePool(driver, { poolSize: 1, maxOverflow: 0 }),
      });
      const leaks: LeakEvent[] = [];
      engine.on("leak", (event) => leaks.push(event));
      await forget(engine, database);
      await collected(database, () => leaks.length === 1);
      const [leak] = leaks;
      assertEquals(leak?.name, "the forgetful one");
      const isPlaced = /leak_test\.ts:\d+/.test(leak?.place ?? "");
      assertEquals(isPlaced, mode === "development");
      await database.waitFor(async () =>
        await database.openTransactions() === 0
      );
      // The only slot is free again.
      await using db = sessionmaker(engine)();
      const { rows } = await db.execute(
        "select to_regclass('in_vain')::text as name",
      );
      assertEquals(rows, [{ name: null }]);
      await db.close();
      collectGarbage();
      assertEquals(leaks.length, 1);
    });
  }
}

for (const limit of ["signal", "transactionTimeout"] as const) {
  Deno.test(`a session that is dropped is told, also where it has a ${limit} that outlives it`, async () => {
    await using bed = await driverBeds.postgres?.();
    assert(bed?.database !== undefined);
    const { database } = bed;
    const { signal } = new AbortController();
    const transaction = limit === "signal"
      ? { signal }
      : { transactionTimeout: 60_000 };
    await using engine = createEngine(bed.driver, { transaction });
    let leaks = 0;
    engine.on("leak", () => leaks++);
    await forget(engine, database);
    await collected(database, () => leaks === 1);
    await database.waitFor(async () => await database.openTransactions() === 0);
    assert(!signal.aborted);
  });
}

/** Leaks that are reported to the runtime while something runs. */
async function reported(
  mode: EngineMode,
  isHeard: boolean,
): Promise<readonly unknown[]> {
  await using bed = await driverBeds.postgres?.();
  assert(bed?.database !== undefined);
  const { database } = bed;
  await using engine = createEngine(bed.driver, { mode });
  if (isHeard) engine.on("leak", () => {});
  const errors: unknown[] = [];
  function hear(event: ErrorEvent): void {
    event.preventDefault();
    errors.push(event.error);
  }
  globalThis.addEventListener("error", hear);
  try {
    await forget(engine, database);
    await collected(
      database,
      async () => await database.connections() === 0,
    );
  } finally {
    globalThis.removeEventListener("error", hear);
  }
  return errors;
}

Deno.test("a leak that nobody hears of is reported, in development", async () => {
  const isHeard = true;
  const [error, ...others] = await reported("development", !isHeard);
  assert(error instanceof StateError);
  assertEquals([error.code, others], ["SESSION_LEAKED", []]);
  assert(error.message.includes("leak_test.ts:"), error.message);
  assertEquals(await reported("development", isHeard), []);
  assertEquals(await reported("production", !isHeard), []);
});

Deno.test("sessions that end are not told as leaks", async () => {
  await using bed = await driverBeds.postgres?.();
  assert(bed?.database !== undefined);
  await using engine = createEngine(bed.driver);
  const leaks: LeakEvent[] = [];
  engine.on("leak", (event) => leaks.push(event));
  const Session = sessionmaker(engine);
  for (let n = 0; n < 20; n++) {
    await Session.begin((db) => db.execute(sql`select ${n}`));
    const db = Session();
    await db.execute(sql`select ${n}`);
    await db.close();
    await db.execute("select 1").catch(() => {});
  }
  for (let n = 0; n < 5; n++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(leaks, []);
});

Deno.test("a million sessions that do nothing leave nothing", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  async function openAll(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await Session().close();
  }
  await openAll(10_000);
  const before = heapUsed();
  await openAll(1_000_000);
  const growth = heapUsed() - before;
  assert(growth < 1_000_000, `${growth} bytes`);
});
