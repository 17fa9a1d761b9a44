import { assert, assertEquals, assertRejects } from "@std/assert";
import { Cache } from "drizzle-orm/cache/core";
import { sql } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  CommitOutcomeError,
  type Connection,
  ConnectionError,
  createEngine,
  type Driver,
  ledgerMigration,
  type Session,
  sessionmaker,
  StateError,
  type TransactionOptions,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type Cut, cuttingRelay } from "../support/cutting_relay.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { seeded, testSeed } from "../support/random.ts";
import { sendingBy } from "../support/sending_by.ts";
import { waitFor } from "../support/wait_for.ts";

/** How many commits each combination loses; `deno task soak` takes more. */
const COMMITS = Number(Deno.env.get("NULLPOOL_TEST_COMMITS") ?? 24);

const kept = pgTable("kept", { id: serial().primaryKey(), n: integer() });
const counted = pgTable("counted", {
  name: text().primaryKey(),
  n: integer(),
  note: text(),
});
const schema = { kept };
const CUTS: readonly Cut[] = ["before", "after", "during"];

const TRANSPORTS: Readonly<Record<string, (url: string) => Driver>> = {
  tcp: (url) => postgres(url),
  websocket: (url) => neon(url, { transport: "websocket" }),
  http: (url) => neon(url),
};

/** A cache that has nothing, and tells what is called stale. */
class StaleCache extends Cache {
  readonly #tell: () => void;

  constructor(tell: () => void) {
    super();
    this.#tell = tell;
  }

  override strategy(): "explicit" {
    return "explicit";
  }

  override get(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  override put(): Promise<void> {
    return Promise.resolve();
  }

  override onMutate(): Promise<void> {
    return Promise.resolve(this.#tell());
  }
}

interface Bed extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly relay: ReturnType<typeof cuttingRelay>;
  readonly driver: Driver;
}

async function lossyBed(transport: string): Promise<Bed> {
  const database = await testDatabase({
    setup: "create table kept (id serial primary key, n int unique)",
  });
  for (const statement of ledgerMigration) await database.query(statement);
  const endpoint = transport === "tcp"
    ? undefined
    : await serveNeon({ backend: database.url, port: 0 });
  const url = new URL(database.url);
  if (endpoint !== undefined) url.port = String(endpoint.port);
  const relay = cuttingRelay(url.href);
  url.port = String(relay.port);
  const makeDriver = TRANSPORTS[transport];
  assert(makeDriver !== undefined);
  return {
    database,
    relay,
    driver: makeDriver(url.href),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await endpoint?.close();
      await database.drop();
    },
  };
}

/** What a caller was told. */
type Told = "committed" | "rolled back" | "unknown";

async function toldOf(commit: Promise<void>): Promise<Told> {
  try {
    await commit;
    return "committed";
  } catch (error) {
    if (error instanceof CommitOutcomeError) return "unknown";
    assert(error instanceof ConnectionError, String(error));
    return "rolled back";
  }
}

/** Writes a number in one of the ways that there are. */
async function write(db: Session<typeof schema>, n: number): Promise<void> {
  switch (n % 3) {
    case 0:
      db.add(kept, { n });
      break;
    case 1:
      void db.enqueue(db.insert(kept).values({ n })).catch(() => {});
      break;
    default:
      await db.insert(kept).values({ n });
      db.add(kept, { n: n + 1_000_000 });
  }
}

const seed = testSeed();

for (const transport of Object.keys(TRANSPORTS)) {
  for (const lostCommit of ["error", "xid", "ledger"] as const) {
    Deno.test(`lost commits over ${transport} with "${lostCommit}": nobody is told what is not so`, async () => {
      await using bed = await lossyBed(transport);
      const { database, relay, driver } = bed;
      await using engine = createEngine(driver, {
        transaction: { lostCommit },
      });
      const Session = sessionmaker(engine, { schema });
      const random = seeded(seed);
      const told: Told[] = [];
      const heard: Told[] = [];
      const bookmarked: boolean[] = [];
      for (let n = 0; n < COMMITS; n++) {
        await using db = Session({ readYourWrites: true });
        heard.push("unknown");
        db.afterCommit(() => heard[n] = "committed");
        db.afterRollback(() => heard[n] = "rolled back");
        // What is lost is a commit, and not the connect ahead of it.
        const isRequest = transport === "http" && lostCommit !== "xid";
        if (!isRequest) await db.execute("select 1");
        await write(db, n);
        const later = lostCommit === "xid" ? random(2) : 0;
        relay.arm(CUTS[random(CUTS.length)] ?? "before", later);
        told.push(await toldOf(db.commit()));
        relay.disarm();
        bookmarked.push(db.bookmark !== undefined);
        await db.close();
      }
      assertEquals(heard, told);
      assertEquals(bookmarked, told.map((outcome) => outcome === "committed"));
      const rows = await database.query("select n from kept");
      const stored = new Set(rows.map(({ n }) => Number(n)));
      const wrong = told.filter((outcome, n) =>
        outcome !== "unknown" && stored.has(n) !== (outcome === "committed")
      );
      assertEquals(wrong, []);
      assert(relay.cuts > COMMITS / 2);
      const count = (outcome: Told) =>
        told.filter((each) => each === outcome).length;
      console.log(
        `${relay.cuts} of ${COMMITS} cut: ${count("committed")} committed, ${
          count("rolled back")
        } rolled back, ${count("unknown")} unknown`,
      );
      if (lostCommit !== "error") assertEquals(count("unknown"), 0);
      await engine.idle();
      await database.waitFor(async () =>
        transport === "http" || await database.connections() === 0
      );
    });
  }
}

/** A session whose next flight is cut. */
async function lose<T>(
  options: TransactionOptions,
  work: (db: Session<typeof schema>, bed: Bed) => Promise<T>,
  transport = "tcp",
): Promise<T> {
  await using bed = await lossyBed(transport);
  await using engine = createEngine(bed.driver, { transaction: options });
  await using db = sessionmaker(engine, { schema })();
  const result = await work(db, bed);
  await db.close();
  return result;
}

Deno.test("a commit that is settled keeps what was known, and says what is lost", async () => {
  await lose({ lostCommit: "ledger" }, async (db, { database, relay }) => {
    await db.execute("select 1");
    const entity = db.add(kept, { id: 7, n: 1 });
    const made = db.add(kept, { n: 2 });
    const returned = assertRejects(
      () => db.enqueue(db.insert(kept).values({ n: 3 }).returning()),
      StateError,
    );
    relay.arm("after");
    await db.commit();
    assertEquals((await returned).code, "ANSWER_LOST");
    assertEquals(entity, { id: 7, n: 1 });
    const unknown = assertThrowsState(() => made.id);
    assertEquals(unknown.code, "NOT_FLUSHED");
    // The session goes on, and finds its rows.
    entity.n = 10;
    await db.commit();
    assertEquals(
      await database.query("select n from kept where n in (2, 3, 10)"),
      [{ n: 2 }, { n: 3 }, { n: 10 }],
    );
  });
});

for (const transport of Object.keys(TRANSPORTS)) {
  Deno.test(`a commit that is settled leaves open what an upsert has set, over ${transport}`, async () => {
    await lose({ lostCommit: "ledger" }, async (db, { database, relay }) => {
      await database.query(
        `create table counted (name text primary key, n int, note text);
        insert into counted values ('a', 7, 'old')`,
      );
      // What is lost is the commit, and not the connect ahead of it.
      if (transport !== "http") await db.execute("select 1");
      const options = {
        onConflict: {
          target: counted.name,
          set: { n: sql`${counted.n} + excluded.n` },
        },
      };
      const entity = db.add(counted, { name: "a", n: 1, note: "new" }, options);
      relay.arm("after");
      await db.commit();
      for (const key of ["n", "note"] as const) {
        assertEquals(assertThrowsState(() => entity[key]).code, "NOT_FLUSHED");
      }
      assertEquals(entity.name, "a");
      assert(await db.get(counted, "a") === entity);
      assertEquals(entity, { name: "a", n: 8, note: "old" });
      entity.n = 9;
      await db.commit();
      assertEquals(await database.query("select * from counted"), [entity]);
    }, transport);
  });
}

function assertThrowsState(read: () => unknown): StateError {
  try {
    read();
  } catch (error) {
    assert(error instanceof StateError);
    return error;
  }
  throw new Error("Nothing was thrown");
}

Deno.test("the ledger waits for a transaction that is still under way", async () => {
  await lose({ lostCommit: "ledger" }, async (db, { database, relay }) => {
    await database.query(`create function slow() returns trigger
      language plpgsql as 'begin perform pg_sleep(0.5); return null; end';
      create constraint trigger slow after insert on kept
        deferrable initially deferred for each row execute function slow()`);
    await db.execute("select 1");
    db.add(kept, { n: 1 });
    const committing = db.commit();
    await database.waitFor(async () =>
      (await database.query(
        "select from pg_stat_activity where wait_event = 'PgSleep'",
      )).length === 1
    );
    relay.cutNow();
    await committing;
    assertEquals(await database.query("select n from kept"), [{ n: 1 }]);
  });
});

/** Loses its connection between the ledger's answer and the COMMIT behind it. */
function unsettled(driver: Driver, onLost: () => Promise<unknown>): Driver {
  let isLost = false;
  return sendingBy(driver, async (connection, statements) => {
    const at = statements.findIndex(({ text }) =>
      text.includes("settle_commit")
    );
    if (isLost || at < 0) return await connection.send(statements);
    isLost = true;
    const { results } = await connection.send(statements.slice(0, at + 1));
    await connection.close();
    await onLost();
    return { results, failure: new Error("socket closed") };
  });
}

Deno.test("what the ledger has answered counts once that is committed", async () => {
  await using bed = await lossyBed("tcp");
  const { database, relay } = bed;
  await database.query(`create function slow() returns trigger
    language plpgsql as 'begin
      perform pg_advisory_xact_lock(7); return new;
    end';
    create trigger slow before insert on kept
      for each row execute function slow();
    select pg_advisory_lock(7)`);
  const driver = unsettled(
    bed.driver,
    () => database.query("select pg_advisory_unlock(7)"),
  );
  await using engine = createEngine(driver, {
    transaction: { lostCommit: "ledger" },
  });
  await using db = sessionmaker(engine, { schema })();
  await db.execute("select 1");
  db.add(kept, { n: 1 });
  const committing = db.commit();
  await database.waitFor(async () =>
    (await database.query(
      "select from pg_stat_activity where wait_event = 'advisory'",
    )).length === 1
  );
  relay.cutNow();
  await committing;
  assertEquals(await database.query("select n from kept"), [{ n: 1 }]);
});

Deno.test("a transaction whose fate was settled cannot commit behind it", async () => {
  await using bed = await lossyBed("tcp");
  const { database } = bed;
  const id = crypto.randomUUID();
  const settle = "select nullpool.settle_commit($1::uuid) as outcome";
  // Whoever loses the answer to this one asks again.
  for (let times = 0; times < 2; times++) {
    assertEquals(await database.query(settle, [id]), [
      { outcome: "rolled back" },
    ]);
  }
  await assertRejects(
    () => database.query("select nullpool.note_commit($1::uuid)", [id]),
    Error,
    "duplicate key",
  );
  const other = crypto.randomUUID();
  await database.query("select nullpool.note_commit($1::uuid)", [other]);
  assertEquals(await database.query(settle, [other]), [
    { outcome: "committed" },
  ]);
});

Deno.test("the ledger forgets what is older than a day", async () => {
  await using bed = await lossyBed("tcp");
  const { database } = bed;
  await database.query(`insert into nullpool.commits (id, at)
    select gen_random_uuid(), now() - interval '2 days'
    from generate_series(1, 5)`);
  for (let times = 0; times < 3; times++) {
    await database.query("select nullpool.note_commit(gen_random_uuid())");
  }
  const [row] = await database.query(
    "select count(*)::int as n from nullpool.commits",
  );
  assertEquals(row, { n: 3 });
});

Deno.test("without its ledger a commit says what to do", async () => {
  for (const transport of Object.keys(TRANSPORTS)) {
    await lose({ lostCommit: "ledger" }, async (db, { database }) => {
      await database.query("drop schema nullpool cascade");
      db.add(kept, { n: 1 });
      const error = await assertRejects(() => db.commit(), StateError);
      assertEquals(error.code, "LEDGER_MISSING");
      await db.rollback();
      // Of one half of it, too.
      await database.query("create schema nullpool");
      db.add(kept, { n: 1 });
      const half = await assertRejects(() => db.commit(), StateError);
      assertEquals(half.code, "LEDGER_MISSING");
      assertEquals(await database.query("select n from kept"), []);
    }, transport);
  }
});

Deno.test("a role without rights of its own writes to the ledger", async () => {
  await using bed = await lossyBed("tcp");
  const { database } = bed;
  const role = await database.createRole();
  await database.query(
    `grant insert, select on kept to ${role.name};
     grant usage on sequence kept_id_seq to ${role.name}`,
  );
  await using engine = createEngine(postgres(role.url), {
    transaction: { lostCommit: "ledger" },
  });
  await sessionmaker(engine, { schema }).begin((db) => {
    db.add(kept, { n: 1 });
    return Promise.resolve();
  });
  const [row] = await database.query(
    "select count(*)::int as n from nullpool.commits",
  );
  assertEquals(row, { n: 1 });
});

/** What a caller is told when COMMIT never arrives, and what is there. */
async function toldAfter(
  lostCommit: "xid" | "ledger",
  work: (db: Session<typeof schema>) => PromiseLike<unknown>,
): Promise<Told> {
  await using bed = await lossyBed("tcp");
  const { database, relay, driver } = bed;
  await database.query(`create function writing() returns int language plpgsql
    volatile as 'begin insert into kept (n) values (1) on conflict do nothing; return 1; end';
    create view writes as select writing() as n`);
  await using engine = createEngine(driver, { transaction: { lostCommit } });
  const Session = sessionmaker(engine, {
    schema,
    hooks: {
      async afterBegin(tx) {
        await tx.execute("select writing()");
      },
    },
  });
  await using db = Session();
  await work(db);
  relay.arm("before");
  const told = await toldOf(db.commit());
  assertEquals([relay.cuts, await database.query("select n from kept")], [
    1,
    [],
  ]);
  await db.close();
  return told;
}

Deno.test("what nobody has issued as a write is proved as well: views, hooks", async () => {
  const writes = pgTable("writes", { n: integer() });
  for (const lostCommit of ["xid", "ledger"] as const) {
    assertEquals(
      await toldAfter(lostCommit, (db) => db.select().from(writes)),
      "rolled back",
    );
    // The hook alone has written.
    assertEquals(
      await toldAfter(lostCommit, (db) => db.select().from(kept)),
      "rolled back",
    );
  }
});

Deno.test("without a proof nobody says that it was committed", async () => {
  await lose({ lostCommit: "xid" }, async (db, { relay }) => {
    // It has no id before COMMIT.
    await db.execute("notify jobs, 'x'");
    relay.arm("before");
    await assertRejects(() => db.commit(), CommitOutcomeError);
  });
});

Deno.test("the ledger is not written by what only reads", async () => {
  for (const isolationLevel of ["read committed", "serializable"] as const) {
    await lose(
      { lostCommit: "ledger", readOnly: true, isolationLevel },
      async (db, { database }) => {
        await db.execute("select 1");
        await db.commit();
        const rows = await database.query("select id from nullpool.commits");
        assertEquals(rows, []);
      },
    );
  }
});

Deno.test("a session that is thrown away waits for a request with COMMIT in it", async () => {
  await using database = await testDatabase({
    setup: "create table kept (id serial primary key, n int)",
  });
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const url = new URL(database.url);
  url.port = String(server.port);
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using engine = createEngine(neon(url.href, {
    async fetch(asked, init) {
      const response = await fetch(asked, init);
      arrived.resolve();
      await release.promise;
      return response;
    },
  }));
  const db = sessionmaker(engine, { schema })();
  db.add(kept, { n: 1 });
  const committing = db.commit();
  await arrived.promise;
  const closing = db.invalidate();
  release.resolve();
  await committing;
  await closing;
  assertEquals(await database.query("select n from kept"), [{ n: 1 }]);
});

Deno.test("what proves a commit costs what is said", async () => {
  const costs: Record<string, unknown> = {};
  for (const lostCommit of ["error", "xid", "ledger"] as const) {
    await lose({ lostCommit }, async (db) => {
      db.add(kept, { n: 1 });
      await db.commit();
      costs[lostCommit] = db.stats.roundTrips;
      const before = db.stats.roundTrips;
      await db.$count(kept);
      await db.commit();
      // What only reads needs no proof.
      assertEquals(db.stats.roundTrips - before, 1);
    });
  }
  assertEquals(costs, { error: 1, xid: 2, ledger: 1 });
});

for (const transport of ["tcp", "websocket"]) {
  Deno.test(`a connection that is known to be lost carries no COMMIT, over ${transport}`, async () => {
    await using bed = await lossyBed(transport);
    const connections: Connection[] = [];
    await using engine = createEngine({
      ...bed.driver,
      async connect(options) {
        const connection = await bed.driver.connect(options);
        connections.push(connection);
        return connection;
      },
    });
    for (const call of ["commit", "execute"] as const) {
      await using db = sessionmaker(engine, { schema })();
      await db.execute("insert into kept (n) values (1)");
      await bed.database.terminateAll();
      // The server has said so before anything is asked for.
      await waitFor(() => connections.at(-1)?.usable === false);
      const error = await assertRejects(
        async () =>
          void await (call === "commit" ? db.commit() : db.execute("select 1")),
        ConnectionError,
      );
      assertEquals([error.code, error.maybeExecuted], [
        "CONNECTION_LOST",
        false,
      ]);
      await db.rollback();
      assertEquals(db.state, "idle");
    }
    assertEquals(await bed.database.query("select n from kept"), []);
    let runs = 0;
    await sessionmaker(engine).begin(async (db) => {
      await db.execute("insert into kept (n) values (1)");
      if (++runs === 1) {
        await bed.database.terminateAll();
        await waitFor(() => connections.at(-1)?.usable === false);
      }
      await db.execute("insert into kept (n) values (2)");
    }, { interactive: true, retry: { times: 1, maxDelay: 1 } });
    assertEquals(runs, 2);
    assertEquals(await bed.database.query("select n from kept order by n"), [
      { n: 1 },
      { n: 2 },
    ]);
  });
}

for (const transport of Object.keys(TRANSPORTS)) {
  Deno.test(`a commit in doubt over ${transport} calls no hook that says how it ended`, async () => {
    await using bed = await lossyBed(transport);
    const { database, relay, driver } = bed;
    await using engine = createEngine(driver);
    const ran: string[] = [];
    const told: unknown[] = [];
    engine.on("rollback", ({ isInDoubt }) => told.push(isInDoubt));
    const Session = sessionmaker(engine, {
      schema,
      cache: new StaleCache(() => ran.push("stale")),
      hooks: {
        afterCommit: () => ran.push("maker's afterCommit"),
        afterRollback: () => ran.push("maker's afterRollback"),
      },
    });
    await using db = Session();
    await db.execute("select 1");
    await db.rollback();
    ran.length = told.length = 0;

    db.afterCommit(() => ran.push("afterCommit"));
    db.afterRollback(() => ran.push("afterRollback"));
    await assertRejects(() =>
      db.beginNested((tx) => {
        tx.afterRollback(() => ran.push("undone with its savepoint"));
        throw new RangeError("the block's own");
      }), RangeError);
    await db.execute("select 1");
    db.add(kept, { n: 1 });
    relay.arm("after");
    await assertRejects(() => db.commit(), CommitOutcomeError);
    relay.disarm();
    await db.rollback();
    assertEquals(ran, ["undone with its savepoint", "stale"]);
    assertEquals(told, [true]);
    // It was done, so that what `afterRollback` cleans up was in use.
    await database.waitFor(async () =>
      (await database.query("select from kept")).length === 1
    );

    db.afterRollback(() => ran.push("afterRollback"));
    db.add(kept, { n: 2 });
    await db.rollback();
    assertEquals(ran.slice(2), ["afterRollback", "maker's afterRollback"]);
  });
}
