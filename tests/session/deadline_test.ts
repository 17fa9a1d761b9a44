import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import { getEventListeners } from "node:events";
import { integer, pgTable } from "drizzle-orm/pg-core";
import {
  CommitOutcomeError,
  ConnectionError,
  createEngine,
  type Engine,
  IntegrityError,
  mapTasks,
  NullPool,
  QueuePool,
  type Session,
  type Sessionmaker,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { collectGarbage } from "../support/collect_garbage.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { driverBeds } from "../support/drivers.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { asleep, issue } from "./session_bed.ts";

/** Milliseconds: what is not cut off by then would keep a test waiting. */
const LONG = 60_000;
const SLEEP = `select pg_sleep(${LONG / 1_000})`;

interface Bed {
  readonly database: TestDatabase;
  readonly engine: Engine;
  readonly Session: Sessionmaker;
}

const SETUP = `create table notes (id int primary key);
  create function slow() returns trigger language plpgsql as
    'begin perform pg_sleep(0.6); return null; end';
  create table slow_commits (id int);
  create constraint trigger slow after insert on slow_commits
    deferrable initially deferred for each row execute function slow()`;

/** The same over TCP and over Neon; nothing may run on, or stay open. */
function deadlineTest(name: string, run: (bed: Bed) => Promise<void>): void {
  for (const driver of ["postgres", "neon"] as const) {
    Deno.test(`deadline: ${name}, over ${driver}`, async () => {
      await using bed = await driverBeds[driver]?.();
      assert(bed?.database !== undefined);
      const { database } = bed;
      await database.query(SETUP);
      await using engine = createEngine(bed.driver);
      await run({ database, engine, Session: sessionmaker(engine) });
      await engine.idle();
      // The server notices in its own time that a connection was closed.
      await database.waitFor(async () =>
        await running(database) + await database.openTransactions() === 0
      );
    });
  }
}

/** How many statements run on the server. */
async function running(database: TestDatabase): Promise<number> {
  const [row] = await database.query(
    `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and state = 'active'
      and pid <> pg_backend_pid()`,
  );
  return Number(row?.n);
}

/** The error of a call that has to fail. */
async function refused(call: Promise<unknown>): Promise<ConnectionError> {
  return await assertRejects(() => call, ConnectionError);
}

deadlineTest("a statement without an answer is cancelled", async (bed) => {
  const { Session, database } = bed;
  await using db = Session({ transaction: { statementTimeout: 150 } });
  await issue(db, "insert into notes values (1)");
  const error = await refused(issue(db, SLEEP));
  assertEquals([error.code, error.maybeExecuted], ["STATEMENT_TIMEOUT", true]);
  assert(error.message.includes("statementTimeout"), error.message);
  const next = await assertRejects(() => issue(db, "select 1"), StateError);
  assertEquals([next.code, next.cause], ["TRANSACTION_FAILED", error]);
  // The server has stopped it, and has let go of the row.
  await database.waitFor(async () => await running(database) === 0);
  await database.query("insert into notes values (1)");
  await db.rollback();
  await issue(db, "insert into notes values (2)");
  await db.commit();
});

deadlineTest("a read that is a flight of its own is cancelled", async (bed) => {
  const db = bed.Session({ transaction: { statementTimeout: 150 } });
  await using holder = bed.Session();
  await issue(holder, "lock table notes");
  const read = () => db.execute(sql`select * from notes`).then(() => {});
  const error = await refused(read());
  assertEquals(error.code, "STATEMENT_TIMEOUT");
  // At once, and not when the session ends.
  await bed.database.waitFor(async () => await running(bed.database) === 0);
  await db.rollback();
  await holder.rollback();
  await read();
  await db.close();
});

deadlineTest("what answers bit by bit is not silent", async (bed) => {
  const db = bed.Session({
    transaction: { statementTimeout: 1_500, interactive: true },
  });
  // Two seconds, in one flight. The server keeps back less than 8 KB.
  const rows = "select pg_sleep(0.4), repeat('x', 20000)";
  await Promise.all(Array.from({ length: 5 }, () => issue(db, rows)));
  assertEquals(db.stats.roundTrips, 1);
  await db.close();
});

deadlineTest("a transaction that is open for too long ends", async (bed) => {
  const { Session, database } = bed;
  await using db = Session({ transaction: { transactionTimeout: 200 } });
  await issue(db, "lock table notes");
  // Nobody asks it for anything, and the lock is let go of all the same.
  await database.query("insert into notes values (1)");
  const error = await assertRejects(() => issue(db, "select 1"), StateError);
  assertEquals(error.code, "TRANSACTION_FAILED");
  assert(error.cause instanceof ConnectionError);
  assertEquals(error.cause.code, "TRANSACTION_TIMEOUT");
  await db.rollback();
  await issue(db, "insert into notes values (2)");
  await db.commit();
});

deadlineTest("a transaction ends while a statement runs", async (bed) => {
  await using db = bed.Session();
  const error = await refused(
    db.begin(() => issue(db, SLEEP), { transactionTimeout: 200 }),
  );
  assertEquals(error.code, "TRANSACTION_TIMEOUT");
  assertEquals(db.state, "idle");
});

deadlineTest("a signal ends what a session does", async (bed) => {
  const abort = new AbortController();
  const db = bed.Session({ signal: abort.signal });
  const sleeping = issue(db, SLEEP);
  const waiting = issue(db, "insert into notes values (1)");
  const errors = Promise.all([refused(sleeping), refused(waiting)]);
  await asleep(bed.database);
  const reason = new Error("the user has left");
  abort.abort(reason);
  for (const error of await errors) {
    assertEquals([error.code, error.cause], ["ABORTED", reason]);
  }
  await db.rollback();
  // It has no other transaction, either.
  const later = await refused(issue(db, "select 1"));
  assertEquals(later.code, "ABORTED");
  await db.close();
  assertEquals(await bed.database.query("select * from notes"), []);
});

deadlineTest("a signal ends many sessions, by one listener", async (bed) => {
  const { database, Session } = bed;
  const stop = new AbortController();
  const { signal } = stop;
  const listeners = () => getEventListeners(signal, "abort").length;
  await Session.begin((db) => db.execute("select 1"), { signal });
  assertEquals(listeners(), 0);
  const ends = Array.from({ length: 12 }, () =>
    assertRejects(
      () => Session.begin((db) => db.execute(SLEEP), { signal }),
      ConnectionError,
      "the signal has fired",
    ));
  await database.waitFor(async () => await running(database) === ends.length);
  assertEquals(listeners(), 1);
  // Whoever runs is found all the same.
  collectGarbage();
  stop.abort();
  await Promise.all(ends);
  assertEquals(listeners(), 0);
});

deadlineTest("a COMMIT that has left is waited for", async (bed) => {
  const { Session, database } = bed;
  const abort = new AbortController();
  await using db = Session({
    signal: abort.signal,
    transaction: { transactionTimeout: 400 },
  });
  await issue(db, "insert into slow_commits values (1)");
  const committing = db.commit();
  await asleep(database);
  abort.abort();
  await committing;
  assertEquals(await database.query("select id from slow_commits"), [{
    id: 1,
  }]);
});

deadlineTest("within() waits for a COMMIT that has left", async (bed) => {
  const { Session, database } = bed;
  await using db = Session();
  await issue(db, "insert into slow_commits values (1)");
  await db.within(db.commit(), { timeout: 200 });
  const insert = db.transaction((tx) =>
    tx.execute("insert into slow_commits values (2)").then(() => {})
  );
  await db.within(insert, { timeout: 300 });
  assertEquals(
    (await database.query("select id from slow_commits")).length,
    2,
  );
});

deadlineTest("a savepoint has no deadline of its own", async (bed) => {
  await using db = bed.Session({ atomic: true });
  for (
    const options of [
      { statementTimeout: 100 },
      { transactionTimeout: 100 },
      { signal: new AbortController().signal },
    ]
  ) {
    const error = await assertRejects(
      () => db.transaction(() => Promise.resolve(), options),
      StateError,
    );
    assertEquals(error.code, "TRANSACTION_OPEN");
  }
});

deadlineTest("a handle that has ended waits for nothing", async (bed) => {
  await using db = bed.Session();
  const [ended] = await db.transaction((tx) => Promise.resolve([tx]));
  await issue(db, "insert into notes values (1)");
  assert(ended !== undefined);
  await assertRejects(
    () => ended.within(Promise.resolve(), { timeout: 1 }),
    StateError,
  );
  await db.commit();
});

deadlineTest(
  "a COMMIT that is not answered has an unknown outcome",
  async (bed) => {
    const db = bed.Session({ transaction: { statementTimeout: 200 } });
    await issue(db, "insert into slow_commits values (1)");
    await assertRejects(() => db.commit(), CommitOutcomeError);
    await db.close();
  },
);

deadlineTest("within() ends one statement", async (bed) => {
  const { Session, database } = bed;
  await using db = Session();
  const late = await refused(db.within(issue(db, SLEEP), { timeout: 150 }));
  assertEquals(late.code, "STATEMENT_TIMEOUT");
  assert(late.message.includes('"timeout"'), late.message);
  await db.rollback();
  const abort = new AbortController();
  const called = refused(
    db.within(issue(db, SLEEP), { signal: abort.signal }),
  );
  await asleep(database);
  abort.abort();
  assertEquals((await called).code, "ABORTED");
  await db.rollback();
  const before = await refused(
    db.within(db.execute("insert into notes values (9)"), {
      signal: AbortSignal.abort(),
    }),
  );
  assertEquals(before.code, "ABORTED");
  // So is a promise of statements that have yet to begin.
  await db.rollback();
  const begun = await refused(
    db.within(
      Promise.all([
        db.execute("insert into notes values (7)"),
        db.execute("insert into notes values (8)"),
      ]),
      { signal: AbortSignal.abort() },
    ),
  );
  assertEquals([begun.code, db.state], ["ABORTED", "failed"]);
  await db.rollback();
  assertEquals(await database.query("select * from notes"), []);
  // A wait that was long enough leaves nothing behind.
  await db.within(db.execute("select 1"), {
    timeout: LONG,
    signal: new AbortController().signal,
  });
  await db.transaction((tx) =>
    tx.within(tx.execute("select 1"), { timeout: LONG })
  );
});

deadlineTest("a rollback cancels what runs", async (bed) => {
  const db = bed.Session();
  const sleeping = refused(issue(db, SLEEP));
  await asleep(bed.database);
  await db.invalidate();
  await sleeping;
});

deadlineTest("mapTasks cancels the siblings of a failure", async (bed) => {
  const failure = new Error("first");
  const error = await assertRejects(() =>
    mapTasks(bed.Session, [0, 1, 2], async (db, n) => {
      if (n < 2) return await issue(db, SLEEP);
      await bed.database.waitFor(async () => await running(bed.database) === 2);
      throw failure;
    })
  );
  assertEquals(error, failure);
  assertFalse(Reflect.has(failure, "suppressed"));
});

deadlineTest(
  "a signal counts again behind a commit that a savepoint has survived",
  async (bed) => {
    const stop = new AbortController();
    await using db = bed.Session({ signal: stop.signal });
    await issue(db, "insert into notes values (1)");
    const savepoint = await db.beginNested();
    await issue(db, "select 1");
    void db.enqueue(
      db.insert(pgTable("notes", { id: integer() })).values({ id: 1 }),
    )
      .catch(() => {});
    await assertRejects(() => db.commit(), IntegrityError);
    await savepoint.rollback();
    const sleeping = refused(issue(db, SLEEP));
    await asleep(bed.database);
    stop.abort();
    assertEquals((await sleeping).code, "ABORTED");
  },
);

deadlineTest("mapTasks keeps the signal of its factory", async (bed) => {
  const stop = new AbortController();
  const Session = bed.Session.with({ signal: stop.signal });
  const running = refused(
    mapTasks(Session, [1], async (db) => await issue(db, SLEEP)),
  );
  await asleep(bed.database);
  stop.abort();
  assertEquals((await running).code, "ABORTED");
});

Deno.test("deadline: a pool's slot is free, and its connection not lent again", async () => {
  await using database = await testDatabase();
  for (
    const pool of [
      (driver: ReturnType<typeof postgres>) =>
        new QueuePool(driver, { poolSize: 1, maxOverflow: 0 }),
      (driver: ReturnType<typeof postgres>) =>
        new NullPool(driver, { maxOpen: 1 }),
    ]
  ) {
    await using engine = createEngine(postgres(database.url), {
      pool,
      transaction: { statementTimeout: 150 },
    });
    const Session = sessionmaker(engine);
    const pidOf = async (db: Session) =>
      (await issue(db, "select pg_backend_pid() as pid")).rows[0]?.pid;
    await using db = Session();
    const pid = await pidOf(db);
    assertEquals((await refused(issue(db, SLEEP))).code, "STATEMENT_TIMEOUT");
    // The first one is still failed, and holds nothing.
    await using other = Session();
    assert(await pidOf(other) !== pid);
  }
});

Deno.test("deadline: a signal ends the wait for a slot", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 1 }),
  });
  const Session = sessionmaker(engine);
  await using holder = Session();
  await issue(holder, "create table t (id int)");
  const abort = new AbortController();
  await using db = Session({ signal: abort.signal });
  const waiting = refused(issue(db, "select 1"));
  await database.waitFor(() => engine.status().waiting === 1);
  abort.abort();
  assertEquals((await waiting).code, "ABORTED");
  assertEquals(engine.status().waiting, 0);
  await holder.commit();
});

Deno.test("deadline: a server that falls silent is given up, whatever is asked", async () => {
  await using database = await testDatabase();
  await using relay = cuttingRelay(database.url);
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href));
  const Session = sessionmaker(engine, {
    transaction: { statementTimeout: 150 },
  });
  for (
    const [code, end] of [
      ["STATEMENT_TIMEOUT", (db: Session) => issue(db, "select 1")],
      ["COMMIT_OUTCOME_UNKNOWN", (db: Session) => db.commit()],
      [undefined, (db: Session) => db.rollback()],
      [undefined, (db: Session) => db.close()],
    ] as const
  ) {
    relay.isSilent = false;
    await using db = Session();
    await issue(db, "create temp table t (id int)");
    relay.isSilent = true;
    const outcome = await end(db).then(
      () => undefined,
      (error) => error.code,
    );
    assertEquals(outcome, code);
    await db.close();
  }
  await engine.idle();
  assertEquals(engine.status().checkedOut, 0);
});

Deno.test("deadline: options are checked", async () => {
  await using engine = createEngine(postgres("postgres://u@127.0.0.1:1/d"));
  const Session = sessionmaker(engine);
  for (const name of ["statementTimeout", "transactionTimeout"]) {
    const wrong = { [name]: -1 };
    assertThrows(
      () => sessionmaker(engine, { transaction: wrong }),
      RangeError,
      name,
    );
    assertThrows(() => Session({ transaction: wrong }), RangeError, name);
    await assertRejects(() => Session().begin(wrong), RangeError, name);
  }
  const [signal]: AbortSignal[] = JSON.parse("[{}]");
  assertThrows(() => Session({ signal }), TypeError, "signal");
  await assertRejects(() => Session().begin({ signal }), TypeError, "signal");
  await assertRejects(
    () => Session().within(Promise.resolve(), { timeout: Number.NaN }),
    RangeError,
    "timeout",
  );
});
