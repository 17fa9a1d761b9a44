import { assert, assertEquals } from "@std/assert";
import { eq, sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  integer,
  jsonb,
  numeric,
  pgEnum,
  pgTable,
  pgView,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import {
  createEngine,
  DatabaseError,
  mapTable,
  NullpoolError,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { neonBed, postgresBed } from "../support/drivers.ts";

const mood = pgEnum("mood", ["calm", "loud"]);
const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
  n: integer(),
});
const values = pgTable("values", {
  id: serial().primaryKey(),
  big: bigint({ mode: "bigint" }),
  is: boolean(),

  data: jsonb(),
  exact: numeric(),
  mood: mood(),
  list: text().array(),
  at: timestamp({ withTimezone: true }),
  day: timestamp({ mode: "string" }),
});
const counted = pgTable("counted", {
  id: serial().primaryKey(),
  n: integer().notNull(),
  version: integer(),
});
const noisy = pgView("noisy", { id: integer(), logged: integer() }).existing();
const schema = { notes, values, counted };

const SETUP = [
  "create type mood as enum ('calm', 'loud')",
  "create table notes (id serial primary key, name text not null unique, n int)",
  `create table values (id serial primary key, big int8, "is" bool,
    data jsonb, exact numeric, mood mood, list text[], at timestamptz, day timestamp)`,
  "create table counted (id serial primary key, n int not null, version int)",
  "create table log (what text)",
  `create function log_it(what text) returns int language sql volatile
    as $$ insert into log values (what) returning 1 $$`,
  "create function slug(name text) returns text language sql immutable as $$ select lower(name) $$",
  "create function same(a int, b int) returns bool language plpgsql volatile as $$ begin insert into log values ('operator'); return a = b; end $$",
  "create operator ==== (leftarg = int, rightarg = int, procedure = same)",
  "create view noisy as select id, log_it('view') as logged from notes",
  "insert into notes (name, n) values ('a', 1), ('b', 2), ('c', 0)",
  "insert into counted (n, version) values (1, 1), (1, 1)",
];

type Db = Session<typeof schema>;

/** What became of some work: what it returned, or why not. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof NullpoolError)) throw error;
    const { name, code, message } = error;
    const state = error instanceof DatabaseError ? error.sqlstate : undefined;
    return { name, code, message, state };
  }
}

const logged = (db: Db) =>
  outcome(db.execute("select what from log order by what").then((r) => r.rows));

/** What is done over either, with all that can be seen of it. */
const SCENARIOS: Readonly<Record<string, (db: Db) => Promise<unknown>>> = {
  async "a function that writes stays in the transaction"(db) {
    const read = () =>
      db.select({ at: sql<number>`log_it('function')`.mapWith(Number) })
        .from(notes).limit(1);
    const seen = [await read(), await logged(db)];
    await db.rollback();
    const undone = await logged(db);
    assertEquals(undone, []);
    seen.push(await read());
    await db.commit();
    return [seen, await logged(db)];
  },
  async "a view that writes does so as well"(db) {
    const seen = [await db.select().from(noisy), await logged(db)];
    await db.rollback();
    assertEquals(await logged(db), []);
    return seen;
  },
  async "an operator that writes is found out"(db) {
    const read = () =>
      db.select({ id: notes.id }).from(notes).where(sql`${notes.n} ==== 1`);
    const seen = await Promise.all([db.$count(notes), read()]);
    const log = await logged(db);
    await db.rollback();
    return [seen, log, await logged(db)];
  },
  async "an advisory lock is held until the end"(db) {
    await db.select({
      locked: sql`pg_try_advisory_xact_lock(7)`,
    }).from(notes).limit(1);
    const { rows } = await db.execute(
      "select count(*)::int as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    );
    assertEquals(rows, [{ n: 1 }]);
  },
  async "a setting is kept until the end"(db) {
    await db.select({ x: sql`set_config('app.x', 'mine', true)` })
      .from(notes).limit(1);
    const kept = await db.select({ x: sql`current_setting('app.x', true)` })
      .from(notes).limit(1);
    assertEquals(kept, [{ x: "mine" }]);
  },
  async "reads see what was written, and not what was rolled back"(db) {
    const before = await db.$count(notes);
    await db.insert(notes).values({ name: "d" });
    const between = await db.$count(notes);
    await db.rollback();
    return [before, between, await db.$count(notes)];
  },
  async "of reads together the right one fails"(db) {
    const seen = await Promise.all([
      db.select().from(notes).where(eq(notes.id, 1)),
      db.select({ bad: sql`1 / ${notes.n}` }).from(notes).orderBy(notes.id),
      db.$count(notes),
    ].map((work) => outcome(work)));
    const refused = [
      await outcome(db.$count(notes)),
      await outcome(db.commit()),
    ];
    await db.rollback();
    return [seen, refused, await db.$count(notes)];
  },
  async "a violation in a commit undoes all of it"(db) {
    db.add(notes, { name: "new" });
    db.add(notes, { name: "a" });
    const refused = await outcome(db.commit());
    await db.rollback();
    return [refused, await db.$count(notes)];
  },
  async "a row that has changed is told"(db) {
    const [one, other] = await db.find(counted, undefined, {
      orderBy: counted.id,
    });
    assert(one && other);
    await db.execute("update counted set version = 5 where id = 2");
    await db.commit();
    one.n = 2;
    other.n = 2;
    const refused = await outcome(db.commit());
    await db.rollback();
    return [refused, await db.select().from(counted).orderBy(counted.id)];
  },
  async "values are what they were"(db) {
    const made = db.add(values, {
      big: 2n ** 60n,
      is: true,

      data: { a: [1, null, "x"], n: null },
      exact: "12345678901234567890.10",
      mood: "loud",
      list: ["a,b", 'c"d', "é\\"],
      at: new Date(1.7e12),
      day: "2024-02-29 12:00:00.123456",
    });
    await db.commit();
    const [row] = await db.select().from(values);
    const [again] = await db.find(values);
    assertEquals({ ...made }, { ...again });
    return row;
  },
  async "relations and cursors read the same"(db) {
    const names: string[] = [];
    for await (
      const { name } of db.stream(db.select().from(notes).orderBy(notes.id), {
        batchSize: 2,
      })
    ) names.push(name);
    return [names, await db.query.notes.findFirst({ columns: { name: true } })];
  },
  async "levels and access hold for a commit"(db) {
    await db.begin({ isolationLevel: "serializable" });
    db.enqueue(db.insert(notes).values({ name: "d" }));
    await db.commit();
    await db.begin({ readOnly: true });
    db.enqueue(db.insert(notes).values({ name: "e" }));
    const refused = await outcome(db.commit());
    await db.rollback();
    return [refused, await db.$count(notes)];
  },
};

for (const [name, run] of Object.entries(SCENARIOS)) {
  Deno.test(`over neon() as over postgres(): ${name}`, async () => {
    const seen: unknown[] = [];
    for (const makeBed of [postgresBed, neonBed]) {
      await using bed = await makeBed();
      await using engine = createEngine(bed.driver);
      const Session = sessionmaker(engine, {
        schema,
        tables: [mapTable(counted, { version: counted.version })],
      });
      await Session.begin(async (db) => {
        for (const text of SETUP) await db.execute(text);
      });
      await using db = Session();
      seen.push(await run(db));
    }
    assertEquals(seen[1], seen[0]);
  });
}

Deno.test("a function that was declared pure costs no connection", async () => {
  await using bed = await neonBed();
  await using engine = createEngine(bed.driver, { pureFunctions: ["slug"] });
  const Session = sessionmaker(engine, { schema });
  await Session.begin(async (db) => {
    for (const text of SETUP) await db.execute(text);
  });
  await using db = Session();
  const read = (call: ReturnType<typeof sql>) =>
    db.select({ name: call }).from(notes).limit(1);
  assertEquals(await read(sql`slug('A')`), [{ name: "a" }]);
  assertEquals([db.stats.requests, db.stats.connections], [1, 0]);
  // Somebody may have one of that name elsewhere.
  await read(sql`public.slug('A')`);
  assertEquals([db.stats.requests, db.stats.connections], [1, 1]);
});
