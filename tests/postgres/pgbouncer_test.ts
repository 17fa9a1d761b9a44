import { assert, assertEquals, assertRejects } from "@std/assert";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import {
  ConnectionError,
  createEngine,
  QueuePool,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { pgbouncerProgram, startPgBouncer } from "../support/pgbouncer.ts";
import {
  type TestDatabase,
  testDatabase,
  type TestRole,
} from "../support/postgres.ts";

const program = await pgbouncerProgram();

const notes = pgTable("notes", { id: serial().primaryKey(), n: integer() });

/** What a test behind PgBouncer works with. */
interface Pooled {
  readonly Session: Sessionmaker;
  readonly database: TestDatabase;
  /** Whom it logs in as. */
  readonly role: TestRole;
}

/** A test whose sessions share one connection of the server. */
function pooledTest(
  name: string,
  run: (pooled: Pooled) => Promise<void>,
): void {
  Deno.test({
    name: `postgres() behind PgBouncer: ${name}`,
    ignore: program === undefined,
    fn: async () => {
      assert(program !== undefined);
      await using database = await testDatabase({
        setup: "create table notes (id serial primary key, n int)",
      });
      const role = await database.createRole();
      await database.query(`grant all on notes, notes_id_seq to ${role.name}`);
      await using pooler = await startPgBouncer(program, role.url, {
        poolSize: 1,
        settings: "query_wait_timeout = 1",
      });
      await using engine = createEngine(postgres(pooler.urlOf(role.url)), {
        pool: (driver) => new QueuePool(driver, { poolSize: 3 }),
      });
      await run({ Session: sessionmaker(engine), database, role });
    },
  });
}

/** Fails with what says that nothing was done. */
async function assertNotDone(work: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => work, ConnectionError);
  assertEquals(error.code, "CONNECT_FAILED");
  assert(!error.maybeExecuted);
}

pooledTest(
  "who waits in vain for the server has done nothing, and is run again",
  async ({ Session, database }) => {
    await using holder = Session();
    holder.add(notes, { n: 1 });
    await holder.flush();
    await using late = Session();
    late.add(notes, { n: 2 });
    await assertNotDone(late.commit());
    let runs = 0;
    await Session.begin(async (db) => {
      if (++runs === 2) await holder.commit();
      db.add(notes, { n: 3 });
    }, { retry: {} });
    assertEquals(runs, 2);
    assertEquals(await database.query("select n from notes order by n"), [
      { n: 1 },
      { n: 3 },
    ]);
  },
);

pooledTest(
  "a server that cannot be logged in to has done nothing",
  async ({ Session, database, role }) => {
    const add = () =>
      Session.begin(async (db) => {
        await db.insert(notes).values({ n: 1 });
      });
    await add();
    await database.query(`alter role ${role.name} nologin`);
    await database.terminateAll();
    // The first one waits; the next is told of the login that has failed.
    for (let times = 0; times < 2; times++) await assertNotDone(add());
    assertEquals(await database.query("select n from notes"), [{ n: 1 }]);
  },
);
