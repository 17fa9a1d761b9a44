import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { eq, sql } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Driver,
  NullPool,
  NullpoolError,
  type PoolFactory,
  QueuePool,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import type { Statement } from "../../src/driver/statement.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { connectAdmin } from "../support/admin_client.ts";
import {
  controlPostgres,
  type EmbeddedPostgres,
  startPostgres,
  startStandby,
} from "../support/embedded_postgres.ts";
import { testDatabase } from "../support/postgres.ts";
import { sendingBy } from "../support/sending_by.ts";
import { waitFor } from "../support/wait_for.ts";

const notes = pgTable("notes", { id: serial().primaryKey(), n: integer() });
const schema = { notes };
type Db = Session<typeof schema>;

const SETUP = `create table notes (id serial primary key, n int);
  insert into notes (n) values (1)`;

/** A primary and a hot standby whose replay can be stopped. */
interface Pair extends AsyncDisposable {
  readonly primary: EmbeddedPostgres;
  readonly standby: EmbeddedPostgres;
  /** Runs SQL on the primary. */
  write(text: string): Promise<void>;
  /** Stops the standby's replay, or lets it go on. */
  pause(action: "pause" | "resume"): Promise<void>;
  /** Waits until the standby has all that the primary has. */
  caughtUp(): Promise<void>;
}

async function replicatedPair(): Promise<Pair> {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o777);
  const primary = await startPostgres(directory);
  const standby = await startStandby(primary);
  const onPrimary = await connectAdmin(primary.url);
  const onStandby = await connectAdmin(standby.url);
  await onPrimary.query(SETUP);
  async function caughtUp(): Promise<void> {
    const [row] = await onPrimary.query(
      "select pg_current_wal_insert_lsn()::text as lsn",
    );
    await waitFor(async () => {
      const [replayed] = await onStandby.query(
        "select pg_last_wal_replay_lsn() >= $1::pg_lsn as is_done",
        [row?.lsn],
      );
      return replayed?.is_done === true;
    });
  }
  await caughtUp();
  return {
    primary,
    standby,
    caughtUp,
    write: async (text) => void await onPrimary.query(text),
    pause: async (action) =>
      void await onStandby.query(`select pg_wal_replay_${action}()`),
    async [Symbol.asyncDispose]() {
      await onPrimary[Symbol.asyncDispose]();
      await onStandby[Symbol.asyncDispose]();
      for (const server of [standby, primary]) {
        await controlPostgres(server, "stop").catch(() => {});
      }
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** What a driver was asked, told by what it sends. */
function counted(
  driver: Driver,
  onSent: (statements: readonly Statement[]) => void = () => {},
): { driver: Driver; flights: () => number } {
  let flights = 0;
  const sendTransaction = driver.sendTransaction?.bind(driver);
  return {
    flights: () => flights,
    driver: {
      ...sendingBy(driver, (connection, statements, onProgress) => {
        flights++;
        const answer = connection.send(statements, onProgress);
        onSent(statements);
        return answer;
      }),
      sendTransaction: sendTransaction && ((statements, options) => {
        flights++;
        return sendTransaction(statements, options);
      }),
    },
  };
}

Deno.test("replicas answer reads that may lag, and nothing else", async () => {
  await using pair = await replicatedPair();
  const { primary, standby } = pair;
  const endpoints = await Promise.all(
    [primary, standby].map(({ url }) => serveNeon({ backend: url, port: 0 })),
  );
  const [first, second] = endpoints.map((endpoint, at) => {
    const url = new URL([primary, standby][at]?.url ?? "");
    url.port = String(endpoint.port);
    return url.href;
  });
  assert(first !== undefined && second !== undefined);
  const drivers: Record<string, [Driver, Driver]> = {
    postgres: [postgres(primary.url), postgres(standby.url)],
    neon: [neon(first), neon(second)],
  };
  for (const [name, [own, other]] of Object.entries(drivers)) {
    for (const isPooled of name === "postgres" ? [true, false] : [false]) {
      const replica = counted(other);
      await using engine = createEngine(
        { primary: own, replicas: [replica.driver] },
        {
          ...(isPooled && {
            pool: (driver) => new QueuePool(driver, { poolSize: 2 }),
          }),
        },
      );
      const Session = sessionmaker(engine, { schema });
      const asked = async (
        work: (db: Db) => PromiseLike<unknown>,
      ): Promise<number> => {
        const before = replica.flights();
        await using db = Session();
        await work(db);
        await db.close();
        return replica.flights() - before;
      };
      const read = (db: Db) => db.select().from(notes);
      const works: [string, (db: Db) => PromiseLike<unknown>, number][] = [
        ["select", read, 1],
        ["relational", (db) => db.query.notes.findMany(), 1],
        ["$count", (db) => db.$count(notes), 1],
        [
          "three at once",
          (db) => Promise.all([read(db), read(db), read(db)]),
          1,
        ],
        ["get", (db) => db.get(notes, 1), 0],
        ["find", (db) => db.find(notes, eq(notes.id, 1)), 0],
        ["a lock", (db) => read(db).for("update"), 0],
        ["raw SQL", (db) => db.execute("select 1"), 0],
        ["behind a write", async (db) => {
          await db.update(notes).set({ n: 2 });
          await read(db);
          await db.commit();
          await read(db);
        }, 0],
        ["with changes pending", async (db) => {
          db.add(notes, { n: 3 });
          await db.noAutoflush(async () => void await read(db));
        }, 0],
        [
          "read write",
          (db) =>
            db.begin((tx) => read(tx).then(() => {}), { readOnly: false }),
          0,
        ],
        [
          "a snapshot",
          (db) =>
            db.begin((tx) => read(tx).then(() => {}), {
              isolationLevel: "repeatable read",
            }),
          0,
        ],
      ];
      for (const [what, work, expected] of works) {
        assertEquals(await asked(work), expected, `${what} over ${name}`);
      }
      // Each session sees what it has written.
      await using db = Session();
      await db.insert(notes).values({ n: 100 });
      await db.commit();
      const [mine] = await db.select().from(notes).where(eq(notes.n, 100));
      assertEquals(mine?.n, 100);
      await db.delete(notes).where(eq(notes.n, 100));
      await db.commit();
      await db.close();
      await engine.idle();
      assertEquals(
        engine.readers.map((reader) => reader.status().checkedOut),
        [0],
      );
    }
  }
  for (const endpoint of endpoints) await endpoint.close();
});

Deno.test("a bookmark lets a replica answer that has replayed it, and no other", async () => {
  await using pair = await replicatedPair();
  const { primary, standby } = pair;
  const endpoint = await serveNeon({ backend: primary.url, port: 0 });
  for (const own of [postgres(primary.url), neon(endpoint.url)]) {
    const replica = counted(postgres(standby.url));
    await using engine = createEngine({
      primary: own,
      replicas: [replica.driver],
    });
    const Session = sessionmaker(engine, { schema });
    await pair.pause("pause");
    const writer = Session({ readYourWrites: true });
    const n = Math.floor(Math.random() * 1e9);
    writer.add(notes, { n });
    await writer.commit();
    const { bookmark } = writer;
    assert(bookmark !== undefined && /^[0-9A-F]+\/[0-9A-F]+$/.test(bookmark));
    await writer.close();
    const seen = async (options: { bookmark?: string }) => {
      await using db = Session(options);
      const rows = await db.select().from(notes).where(eq(notes.n, n));
      await db.close();
      return rows.length;
    };
    // The replica is behind: who says so is answered by the primary.
    assertEquals(await seen({}), 0);
    assertEquals(await seen({ bookmark }), 1);
    await pair.pause("resume");
    await pair.caughtUp();
    const before = replica.flights();
    assertEquals(await seen({ bookmark }), 1);
    assertEquals(replica.flights() - before, 1);
    // What only reads has no position of its own.
    const reader = Session({ readYourWrites: true });
    await reader.select().from(notes);
    await reader.commit();
    assertEquals(reader.bookmark, undefined);
    await reader.close();
  }
  await endpoint.close();
});

Deno.test("a bookmark means nothing to a server that is no standby, so it is passed over", async () => {
  await using database = await testDatabase({ setup: SETUP });
  await using stale = await testDatabase({ setup: SETUP });
  await using engine = createEngine({
    primary: postgres(database.url),
    replicas: [postgres(stale.url)],
  });
  const Session = sessionmaker(engine, { schema });
  await using writer = Session({ readYourWrites: true });
  await writer.insert(notes).values({ n: 2 });
  await writer.commit();
  const { bookmark } = writer;
  await writer.close();
  for (const [options, expected] of [[{}, 1], [{ bookmark }, 2]] as const) {
    await using db = Session(options);
    assertEquals((await db.select().from(notes)).length, expected);
    await db.close();
  }
});

Deno.test("what a function writes, and what autocommit does, is seen as well", async () => {
  await using pair = await replicatedPair();
  const { primary, standby } = pair;
  await pair.write(`create table one as select 1 as id;
    create function note_down(n int) returns int language sql volatile as
      'insert into notes (n) values (n) returning n'`);
  await pair.caughtUp();
  await pair.pause("pause");
  const one = pgTable("one", { id: integer() });
  await using engine = createEngine({
    primary: postgres(primary.url),
    replicas: [postgres(standby.url)],
  });
  const Session = sessionmaker(engine, { schema });
  const insert = (db: Db, n: number) => db.insert(notes).values({ n });
  const works: Record<
    string,
    [(db: Db, n: number) => unknown, "commit" | "rollback", boolean]
  > = {
    function: [
      (db, n) => db.select({ n: sql`note_down(${n}::int)` }).from(one),
      "commit",
      false,
    ],
    autocommit: [insert, "commit", true],
    "autocommit, given up": [insert, "rollback", true],
  };
  for (const [what, [work, end, isLoose]] of Object.entries(works)) {
    const n = Math.floor(Math.random() * 1e9);
    const writer = Session({
      readYourWrites: true,
      ...(isLoose && { transaction: { isolationLevel: "autocommit" } }),
    });
    await work(writer, n);
    await writer[end]();
    const { bookmark } = writer;
    assert(bookmark !== undefined, what);
    assertEquals(writer.stats.commits, 1, what);
    const seen = async (db: Db) =>
      (await db.select().from(notes).where(eq(notes.n, n))).length;
    assertEquals(await seen(writer), 1, `${what}, in its own session`);
    await writer.close();
    await using next = Session({ bookmark });
    assertEquals(await seen(next), 1, `${what}, in the next one`);
    await next.close();
  }
  await pair.pause("resume");
});

Deno.test("autocommit asks how far the log is behind writes alone", async () => {
  await using database = await testDatabase({ setup: SETUP });
  await using engine = createEngine(postgres(database.url));
  const db = sessionmaker(engine, { schema })({
    readYourWrites: true,
    transaction: { isolationLevel: "autocommit" },
  });
  const read = () => db.select().from(notes);
  const write = () => db.insert(notes).values({ n: 2 });
  const cost: number[] = [];
  for (const work of [read, write, read]) {
    const before = db.stats.roundTrips;
    await work();
    await db.commit();
    cost.push(db.stats.roundTrips - before);
  }
  assertEquals(cost, [1, 2, 1]);
  await db.close();
});

Deno.test("autocommit has done its work when it asks how far the log is", async () => {
  await using database = await testDatabase({ setup: SETUP });
  const gone = new AbortController();
  const { driver } = counted(postgres(database.url), ([first]) => {
    if (first?.text.includes("pg_current_wal")) gone.abort();
  });
  await using engine = createEngine(driver);
  const db = sessionmaker(engine, { schema })({
    readYourWrites: true,
    signal: gone.signal,
    transaction: { isolationLevel: "autocommit" },
  });
  await db.insert(notes).values({ n: 2 });
  await db.commit();
  assertEquals(db.state, "idle");
  assert(db.bookmark !== undefined);
  await db.close();
});

Deno.test("a replica that is away, or disagrees, is not missed", async () => {
  await using pair = await replicatedPair();
  const { primary, standby } = pair;
  await using engine = createEngine({
    primary: postgres(primary.url),
    replicas: [postgres(standby.url)],
  });
  const Session = sessionmaker(engine, { schema });
  await pair.write(
    "create view tricky as select *, nextval('notes_id_seq') from notes",
  );
  await pair.caughtUp();
  // A view that writes: neither of them may read it alone.
  await using db = Session();
  const tricky = pgTable("tricky", { id: integer(), n: integer() });
  assertEquals((await db.select().from(tricky)).length, 1);
  await db.close();
  await controlPostgres(standby, "stop");
  await using other = Session();
  assertEquals((await other.select().from(notes)).length, 1);
  // It is asked once, and not again by this transaction.
  assertEquals((await other.select().from(notes)).length, 1);
  await other.close();
  await engine.idle();
});

Deno.test("a replica that is slow is not missed, over a connection and over HTTP", async () => {
  await using pair = await replicatedPair();
  const { primary, standby } = pair;
  await pair.write(`create view slow as select 1 as id,
    case when pg_is_in_recovery() then pg_sleep(3)::text else 'fast' end as how`);
  await pair.caughtUp();
  const slow = pgTable("slow", { id: integer(), how: text() });
  const endpoint = await serveNeon({ backend: standby.url, port: 0 });
  const url = new URL(standby.url);
  url.port = String(endpoint.port);
  for (const replica of [postgres(standby.url), neon(url.href)]) {
    await using engine = createEngine({
      primary: postgres(primary.url),
      replicas: [replica],
    });
    const Session = sessionmaker(engine);
    const late = Session({ transaction: { statementTimeout: 400 } });
    assertEquals(await late.select().from(slow), [{ id: 1, how: "fast" }]);
    await late.close();
    // Whoever gives up does so there as well.
    const gone = Session({ signal: AbortSignal.timeout(300) });
    const error = await assertRejects(
      async () => void await gone.select().from(slow),
      NullpoolError,
    );
    assertEquals(error.code, "ABORTED");
    await gone.close();
    await engine.idle();
    assertEquals(engine.readers[0]?.status().checkedOut, 0);
  }
  await endpoint.close();
});

Deno.test("a cache is asked by bare statements, and for nobody in particular", async () => {
  await using database = await testDatabase({ setup: SETUP });
  await using engine = createEngine({
    primary: postgres(database.url),
    cached: postgres(`${database.url}?application_name=cached`),
  });
  const Session = sessionmaker(engine, { schema, roles: [] });
  const cachedOnly = async () =>
    (await database.log()).filter((text) => /^select "id"|^begin/.test(text));
  await using db = Session();
  await Promise.all([db.select().from(notes), db.select().from(notes)]);
  await db.close();
  const read = 'select "id", "n" from "notes"';
  assertEquals(await cachedOnly(), [read, read]);
  await using mine = Session({ claims: { sub: "u1" } });
  await mine.select().from(notes);
  await mine.close();
  assertEquals(
    (await cachedOnly()).slice(2),
    ["begin isolation level read committed read only", read],
  );
});

Deno.test("who waits for the primary keeps no replica from those who have it", async () => {
  await using database = await testDatabase({ setup: SETUP });
  await using engine = createEngine({
    primary: postgres(database.url),
    replicas: [postgres(database.url)],
  }, {
    pool: (driver) => new NullPool(driver, { maxOpen: 1, timeout: 2_000 }),
  });
  const Session = sessionmaker(engine, { schema });
  const atReplica = async (db: Db) => void await db.select().from(notes);
  const atPrimary = async (db: Db) => void await db.find(notes);
  const write = async (db: Db) => void await db.insert(notes).values({ n: 2 });
  for (const next of [atPrimary, write]) {
    await using one = Session();
    await using other = Session();
    await Promise.all([atReplica(one), atPrimary(other)]);
    await Promise.all([
      next(one).then(() => one.close()),
      atReplica(other).then(() => other.close()),
    ]);
    const [reader] = engine.readers;
    assertEquals(reader?.status().checkedOut, 0);
  }
});

Deno.test("who does not wait for the primary keeps what a replica has lent", async () => {
  await using database = await testDatabase({ setup: SETUP });
  const endpoint = await serveNeon({ backend: database.url, port: 0 });
  const limited = (driver: Driver) => new NullPool(driver, { maxOpen: 1 });
  const cases: [Driver, PoolFactory | undefined, number][] = [
    // Nobody waits, as there is no limit.
    [postgres(database.url), undefined, 2],
    // Reads of the primary need no connection there.
    [neon(endpoint.url), limited, 1],
  ];
  for (const [primary, pool, expected] of cases) {
    await using engine = createEngine(
      { primary, replicas: [postgres(database.url)] },
      { ...(pool && { pool }) },
    );
    const db = sessionmaker(engine, { schema })();
    for (const id of [1, 2]) {
      await db.select().from(notes);
      await db.get(notes, id);
    }
    assertEquals(db.stats.connections, expected, primary.name);
    await db.close();
    await engine.idle();
  }
  await endpoint.close();
});

Deno.test("a set of drivers is checked", () => {
  const wrong: unknown[] = [
    {},
    { primary: undefined },
    { primary: recordingDriver(), replicas: [{}] },
    { primary: recordingDriver(), cached: 1 },
  ];
  for (const each of wrong) {
    assertThrows(() => createEngine(each as Driver), TypeError, "driver");
  }
  const engine = createEngine({
    primary: recordingDriver(),
    replicas: [recordingDriver(), recordingDriver()],
  }).with({ settings: { timezone: "UTC" } });
  assertEquals(
    engine.readers.map(({ settings }) => settings),
    [{ timezone: "UTC" }, { timezone: "UTC" }],
  );
});
