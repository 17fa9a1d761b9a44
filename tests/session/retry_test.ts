import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { sql } from "drizzle-orm";
import {
  CommitOutcomeError,
  ConnectionError,
  createEngine,
  QueuePool,
  type RetryEvent,
  SerializationError,
  type Session,
  sessionmaker,
  StaleDataError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { neon } from "../../src/neon/mod.ts";
import { type NeonFault, serveNeon } from "../../src/dev/mod.ts";
import { isRetryable, retryDelay } from "../../src/session/retry_policy.ts";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { testDatabase } from "../support/postgres.ts";
import { issue, sessionTest } from "./session_bed.ts";

const LOST = new ConnectionError("CONNECTION_LOST", "lost", {
  maybeExecuted: true,
});
const SERIALIZATION = new SerializationError(
  "SERIALIZATION_FAILURE",
  "conflict",
  { sqlstate: "40001" },
);
const notes = pgTable("notes", { id: integer() });
const CLEAN = { writes: 0, commits: 0 };

Deno.test("isRetryable() runs nothing again that may have been done", () => {
  const written = { writes: 1, commits: 0 };
  const committed = { writes: 1, commits: 1 };
  const refused = new ConnectionError("CONNECT_FAILED", "refused");
  const cases: [unknown, Parameters<typeof isRetryable>[1], boolean][] = [
    [SERIALIZATION, written, true],
    [SERIALIZATION, committed, false],
    [new StaleDataError("stale", { table: "t", found: 0 }), written, true],
    [LOST, CLEAN, true],
    [LOST, written, false],
    [refused, written, true],
    [new ConnectionError("STATEMENT_TIMEOUT", "late"), CLEAN, false],
    [new ConnectionError("ABORTED", "gone"), CLEAN, false],
    [new CommitOutcomeError("unknown", { cause: LOST }), CLEAN, false],
    [new Error("mine", { cause: SERIALIZATION }), written, true],
    [new Error("mine"), CLEAN, false],
    ["thrown", CLEAN, false],
  ];
  for (const [error, done, expected] of cases) {
    assertEquals(isRetryable(error, done), expected, String(error));
  }
  // A ring of causes ends.
  const ring = new Error("ring");
  ring.cause = ring;
  assertFalse(isRetryable(ring, CLEAN));
});

Deno.test("retryDelay() doubles up to its limit, and takes a random part", () => {
  const delays = [1, 2, 3, 4, 5, 6, 20].map((failures) =>
    retryDelay(failures, {}, 1)
  );
  assertEquals(delays, [50, 100, 200, 400, 800, 1_000, 1_000]);
  assertEquals(retryDelay(1, {}, 0.5), 25);
  assertEquals(retryDelay(9, { maxDelay: 10 }, 1), 10);
});

sessionTest("20 tasks increment one row under SERIALIZABLE", async (bed) => {
  const { Session, engine, database } = bed;
  await database.query("insert into notes values (1, '0')");
  const retries: RetryEvent[] = [];
  engine.on("retry", (event) => retries.push(event));
  await Promise.all(
    Array.from({ length: 20 }, () =>
      Session.begin(async (db) => {
        const { rows } = await issue(db, "select body from notes where id = 1");
        const next = Number(rows[0]?.body) + 1;
        await db.execute(sql`update notes set body = ${next} where id = 1`);
      }, {
        isolationLevel: "serializable",
        retry: { times: 100, maxDelay: 100 },
      })),
  );
  const [row] = await database.query("select body from notes");
  assertEquals(row, { body: "20" });
  assert(retries.length > 0);
  assertEquals(retries[0]?.error, "SERIALIZATION_FAILURE");
});

sessionTest("two that lock in opposite order both succeed", async (bed) => {
  const { Session, database } = bed;
  await database.query("insert into notes values (1, ''), (2, '')");
  let locked = 0;
  const both = Promise.withResolvers<void>();
  async function lockBoth(first: number, second: number): Promise<void> {
    let runs = 0;
    await Session.begin(async (db) => {
      await append(db, first);
      if (++locked === 2) both.resolve();
      if (runs++ === 0) await both.promise;
      await append(db, second);
    }, { retry: { times: 5 } });
  }
  const append = (db: Session, id: number) =>
    db.execute(sql`update notes set body = body || 'x' where id = ${id}`)
      .then(() => {});
  await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
  const rows = await database.query("select body from notes");
  assertEquals(rows, [{ body: "xx" }, { body: "xx" }]);
});

sessionTest("each run has a session of its own", async ({ Session }) => {
  const sessions = new Set<Session>();
  const error = await assertRejects(() =>
    Session.begin(async (db) => {
      for (const earlier of sessions) assertEquals(earlier.state, "closed");
      sessions.add(db);
      await issue(db, "insert into notes values (1, 'x')");
      throw SERIALIZATION;
    }, { retry: { times: 2, maxDelay: 1 } })
  );
  assertStrictEquals(error, SERIALIZATION);
  assertEquals(sessions.size, 3);
});

sessionTest("what was committed inside is not run again", async (bed) => {
  const { Session, database } = bed;
  await assertRejects(
    () =>
      Session.begin(async (db) => {
        await issue(db, "insert into notes values (1, 'x')");
        await db.commit();
        throw SERIALIZATION;
      }, { retry: { times: 5, maxDelay: 1 } }),
    SerializationError,
  );
  await assertRejects(
    () =>
      Session.begin(async (db) => {
        await issue(db, "insert into notes values (2, 'x')");
        throw SERIALIZATION;
      }, {
        isolationLevel: "autocommit",
        retry: { times: 5, maxDelay: 1 },
      }),
    SerializationError,
  );
  assertEquals((await database.query("select id from notes")).length, 2);
});

sessionTest("a lost connection is no reason to write again", async (bed) => {
  const { Session, database } = bed;
  async function lose(
    work: (db: Session) => Promise<unknown>,
  ): Promise<[string, number]> {
    let runs = 0;
    const done = Session.begin(async (db) => {
      runs++;
      await work(db);
      if (runs === 1) await database.terminateAll();
      await db.$count(notes);
    }, { interactive: true, retry: { times: 3, maxDelay: 1 } });
    return [await done.then(() => "done", (error) => error.code), runs];
  }
  const read = (db: Session) => db.$count(notes);
  assertEquals(await lose(read), ["done", 2]);
  async function write(db: Session) {
    await issue(db, "insert into notes values (1, 'x')");
    // In the middle of a statement: who has asked cannot know how far it came.
    await issue(db, "select pg_terminate_backend(pg_backend_pid())");
  }
  assertEquals(await lose(write), ["CONNECTION_LOST", 1]);
});

/** What writes, and is read from a table with one row. */
const WRITING_FUNCTION =
  `create table notes (id int); create table one as select 1 as id;
  create function note_down(n int) returns int language sql volatile as
    'insert into notes values (n) returning id'`;
const one = pgTable("one", { id: integer() });

/** Writes a note, in a read. */
function noteDown(db: Pick<Session, "select">) {
  return db.select({ id: sql`note_down(1)` }).from(one);
}

Deno.test("a select that calls a function which writes is not run twice", async () => {
  await using database = await testDatabase({ setup: WRITING_FUNCTION });
  const relay = cuttingRelay(database.url);
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href), {
    pool: (driver) => new QueuePool(driver),
  });
  const Session = sessionmaker(engine);
  const stored = async () =>
    (await database.query("select id from notes")).length;
  await Session.begin((db) => db.select().from(one));
  await engine.idle();
  relay.arm("after");
  await assertRejects(
    () =>
      Session.begin(async (db) => await noteDown(db), {
        isolationLevel: "autocommit",
        retry: { times: 3, maxDelay: 1 },
      }),
    ConnectionError,
  );
  assertEquals([relay.cuts, await stored()], [1, 1]);
  // Nor where it was done, and something else fails behind it.
  for (const isolationLevel of ["autocommit", "read committed"] as const) {
    const before = await stored();
    await assertRejects(
      () =>
        Session.begin(async (db) => {
          await noteDown(db);
          if (isolationLevel !== "autocommit") await db.commit();
          throw SERIALIZATION;
        }, { isolationLevel, retry: { times: 3, maxDelay: 1 } }),
      SerializationError,
    );
    assertEquals(await stored() - before, 1, isolationLevel);
  }
  // In a transaction the server has undone it.
  relay.arm("after");
  await Session.begin(async (db) => await noteDown(db), {
    retry: { times: 3, maxDelay: 1 },
  });
  assertEquals([relay.cuts, await stored()], [2, 4]);
  await engine.dispose();
  await relay[Symbol.asyncDispose]();
});

Deno.test("what the hook afterBegin has written counts as done where it stays", async () => {
  await using database = await testDatabase({ setup: WRITING_FUNCTION });
  await using engine = createEngine(postgres(database.url));
  const writes: Record<
    string,
    (db: Pick<Session, "insert" | "select">) => unknown
  > = {
    statement: (db) => db.insert(notes).values({ id: 1 }),
    function: noteDown,
  };
  for (const [what, write] of Object.entries(writes)) {
    const Session = sessionmaker(engine, {
      hooks: { afterBegin: async (tx) => void await write(tx) },
    });
    for (const isolationLevel of ["autocommit", "read committed"] as const) {
      const isLoose = isolationLevel === "autocommit";
      await database.query("delete from notes");
      await assertRejects(
        () =>
          Session.begin(async (db) => {
            await db.select().from(one);
            if (!isLoose) await db.commit();
            throw SERIALIZATION;
          }, { isolationLevel, retry: { times: 3, maxDelay: 1 } }),
        SerializationError,
      );
      const stored = await database.query("select id from notes");
      assertEquals(stored.length, 1, `${what}, ${isolationLevel}`);
      const db = Session({
        readYourWrites: true,
        transaction: { isolationLevel },
      });
      await db.select().from(one);
      await db.commit();
      assert(db.bookmark !== undefined, `${what}, ${isolationLevel}`);
      assertEquals(db.stats.commits, 1, `${what}, ${isolationLevel}`);
      await db.close();
    }
  }
});

Deno.test("retry: a request that was never run is sent again, one that may have been is not", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int)",
  });
  const faults: NeonFault[] = [];
  const server = await serveNeon({
    backend: database.url,
    port: 0,
    faults: () => faults.shift(),
  });
  await using engine = createEngine(neon(server.url));
  const Session = sessionmaker(engine);
  const store = (n: number) =>
    Session.begin((db) => {
      void db.enqueue(db.insert(notes).values({ id: n }));
      return Promise.resolve();
    }, { retry: { maxDelay: 1 } });
  faults.push({ kind: "status", status: 429 }, { kind: "status", status: 429 });
  await store(1);
  faults.push({ kind: "drop", when: "after" });
  await assertRejects(() => store(2), CommitOutcomeError);
  assertEquals(await database.query("select id from notes order by id"), [
    { id: 1 },
    { id: 2 },
  ]);
  await server.close();
});

sessionTest("a signal ends the wait between two runs", async (bed) => {
  const abort = new AbortController();
  bed.engine.on("retry", () => abort.abort());
  await assertRejects(
    () =>
      bed.Session.begin(() => Promise.reject(SERIALIZATION), {
        signal: abort.signal,
        retry: { times: 3, maxDelay: 100_000 },
      }),
    SerializationError,
  );
});

sessionTest("the signal of a factory ends the wait as well", async (bed) => {
  const abort = new AbortController();
  bed.engine.on("retry", () => abort.abort());
  let runs = 0;
  const Session = bed.Session.with({ signal: abort.signal });
  await assertRejects(() =>
    Session.begin(() => {
      runs++;
      return Promise.reject(SERIALIZATION);
    }, { retry: { times: 3, maxDelay: 100_000 } }), SerializationError);
  assertEquals(runs, 1);
});

Deno.test("retry: a commit of which nobody knows is not followed by another run", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int)",
  });
  await using relay = cuttingRelay(database.url);
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href));
  const work = sessionmaker(engine).begin(async (db) => {
    await issue(db, "insert into notes values (1)");
    relay.arm("after");
    await assertRejects(() => db.commit(), CommitOutcomeError);
    await db.rollback();
    throw SERIALIZATION;
  }, { retry: { times: 3, maxDelay: 1 } });
  await assertRejects(() => work, SerializationError);
  await database.waitFor(async () =>
    (await database.query("select id from notes")).length === 1
  );
});

sessionTest("retry options are checked", async ({ Session }) => {
  for (const retry of [{ times: -1 }, { times: 0.5 }, { maxDelay: -1 }]) {
    await assertRejects(
      () => Session.begin(() => Promise.resolve(), { retry }),
      RangeError,
      "retry.",
    );
  }
});
