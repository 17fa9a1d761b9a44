import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { eq, sql } from "drizzle-orm";
import { integer, pgTable, pgView, serial, text } from "drizzle-orm/pg-core";
import {
  DatabaseError,
  mapTable,
  mapTasks,
  type Session,
  StaleDataError,
  StateError,
} from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const counters = pgTable("counters", {
  id: serial().primaryKey(),
  name: text(),
  value: integer().notNull().default(0),
  version: integer().notNull().default(1),
});
const plain = pgTable("plain", {
  id: serial().primaryKey(),
  value: integer().notNull().default(0),
});
const tokens = pgTable("tokens", {
  id: serial().primaryKey(),
  value: integer().notNull().default(0),
});
const parted = pgTable("parted", {
  id: integer().primaryKey(),
  value: integer(),
});
const seen = pgTable("seen", { id: integer().primaryKey(), value: integer() });

const shared = {
  setup: [
    `create table counters (id serial primary key, name text,
      value int not null default 0, version int not null default 1)`,
    "create table plain (id serial primary key, value int not null default 0)",
    "create table tokens (id serial primary key, value int not null default 0)",
    "create view seen as select id, value from plain",
    "create table parted (id int primary key, value int) partition by hash (id)",
    "create table part partition of parted for values with (modulus 1, remainder 0)",
    "insert into counters (name) values ('a'), ('b')",
    "insert into plain (value) values (1), (2)",
    "insert into tokens (value) values (0), (0)",
  ],
  schema: {},
  tables: [
    mapTable(counters, { version: counters.version }),
    mapTable(tokens, { version: "xmin" }),
    mapTable(seen, { version: "xmin" }),
    mapTable(parted, { version: "xmin" }),
  ],
};
const test = entityTests("Session", shared);
/** With two connections at once. */
const testBesides = entityTests("Session", {
  ...shared,
  drivers: ["postgres", "neon"],
});

test("counts versions, and refuses a row that was changed", async ({ db, Session, rows }) => {
  const a = await db.get(counters, 1);
  assert(a);
  a.value = 1;
  await db.flush();
  assertEquals(a.version, 2);
  a.value = 2;
  await db.commit();
  assertEquals(a.version, 3);
  await Session.begin((other) =>
    other.update(counters).set({ version: 9, name: "secret" })
  );
  a.value = 3;
  const error = await assertRejects(() => db.commit(), StaleDataError);
  assertEquals(
    error.message,
    'Cannot update "counters" by "id": 0 of 1 rows are as they were loaded; call rollback() and run the unit of work again',
  );
  assertEquals([error.table, error.found, error.entities], ["counters", 0, [
    a,
  ]]);
  assert(!JSON.stringify(error).includes("entities"));
  assertEquals(db.state, "failed");
  await db.rollback();
  assertEquals([a.value, a.version], [2, 3]);
  assertEquals(await rows("select value from counters where id = 1"), [
    { value: 2 },
  ]);
  const again = await db.get(counters, 1);
  assertEquals(again?.version, 9);
  db.remove(a);
  await db.commit();
});

test("refuses to update or delete what has gone, without any version", async ({ db, Session }) => {
  const [one, two] = await db.find(plain, undefined, { orderBy: plain.id });
  assert(one && two);
  await db.commit();
  await Session.begin((other) => other.delete(plain).where(eq(plain.id, 2)));
  one.value = 5;
  two.value = 5;
  const error = await assertRejects(() => db.flush(), StaleDataError);
  assertEquals(
    [error.message.includes("1 of 2 rows"), error.found],
    [true, 1],
  );
  assertEquals(new Set(error.entities), new Set([one, two]));
  await db.rollback();
  db.remove(two);
  await assertRejects(
    () => db.commit(),
    StaleDataError,
    'Cannot delete from "plain" by "id": 0 of 1 rows',
  );
  await db.rollback();
});

test("knows xmin through flushes, savepoints and deletes", async ({ db, Session }) => {
  const [one, two] = await db.find(tokens, undefined, { orderBy: tokens.id });
  assert(one && two);
  one.value = 1;
  await db.flush();
  one.value = 2;
  await db.flush();
  const savepoint = await db.beginNested();
  one.value = 3;
  await db.flush();
  await savepoint.rollback();
  assertEquals(one.value, 2);
  one.value = 4;
  await db.commit();
  const made = db.add(tokens, {});
  db.enqueue(db.update(plain).set({ value: 0 }));
  made.value = 1;
  await db.commit();
  db.remove(made);
  await Session.begin((other) => other.update(tokens).set({ value: 9 }));
  two.value = 1;
  await assertRejects(() => db.commit(), StaleDataError);
  await db.rollback();
  await db.refresh(two);
  assertEquals(two.value, 9);
  two.value = 10;
  await db.commit();
});

test("knows by xmin what it has written itself, in a savepoint too", async ({ db, rows }) => {
  const token = await db.get(tokens, 1);
  assert(token);
  const set = (value: number) =>
    db.beginNested((inner) => inner.update(tokens).set({ value }));
  await set(1);
  token.value = 2;
  await db.flush();
  await db.beginNested(async (inner) => {
    await inner.update(tokens).set({ value: 3 });
    token.value = 4;
    await inner.flush();
  });
  await db.beginNested(async (inner) => {
    await inner.update(tokens).set({ value: 5 });
    await inner.beginNested(async (innermost) => {
      await innermost.update(tokens).set({ value: 6 });
    });
    token.value = 7;
  });
  await db.commit();
  assertEquals(await rows("select value from tokens where id = 1"), [
    { value: 7 },
  ]);
});

testBesides(
  "knows by xmin what another has written, before it and after",
  async ({ db, Session }) => {
    for (const isFirst of [true, false]) {
      const token = await db.get(tokens, 1);
      assert(token);
      if (isFirst) await db.execute("select pg_current_xact_id()");
      await Session.begin((other) => other.update(tokens).set({ value: 8 }));
      token.value = 9;
      await assertRejects(() => db.commit(), StaleDataError);
      await db.rollback();
    }
  },
);

test("says that a partitioned table tells no xmin of a new row", async ({ db, Session }) => {
  const added = db.add(parted, { id: 1, value: 1 });
  const error = await assertRejects(() => db.commit(), StateError, "partition");
  assertEquals([error.code, error.entities], ["VERSION_UNSUPPORTED", [added]]);
  await db.rollback();
  // Of a row that is there it does.
  await Session.begin((other) => other.insert(parted).values({ id: 1 }));
  const found = await db.get(parted, 1);
  assert(found);
  found.value = 2;
  await db.commit();
  await Session.begin((other) => other.update(parted).set({ value: 3 }));
  found.value = 4;
  await assertRejects(() => db.commit(), StaleDataError);
});

test("does not version what it cannot", async ({ db }) => {
  const [row] = db.track(tokens, [{ id: 1, value: 0 }]);
  assert(row);
  row.value = 5;
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals(error.code, "VERSION_UNSUPPORTED");
  await db.rollback();
  assertThrows(
    () =>
      mapTable(
        pgView("v").as((builder) => builder.select().from(plain)) as never,
        { version: "xmin" },
      ),
    StateError,
    "view",
  );
  assertThrows(
    () => mapTable(counters, { version: counters.name }),
    TypeError,
    "number column",
  );
  await assertRejects(() => db.get(seen, 1));
});

test("merge() knows versions", async ({ db }) => {
  await assertRejects(
    () => db.merge(counters, { id: 1, value: 1, version: 7 }),
    StaleDataError,
    "merge",
  );
  const merged = await db.merge(counters, { id: 1, value: 1, version: 1 });
  await db.commit();
  assertEquals([merged.value, merged.version], [1, 2]);
});

/** Reads, changes and commits, again as long as somebody else was first. */
async function increment(
  db: Session,
  table: typeof counters | typeof tokens,
): Promise<number> {
  for (let tries = 1;; tries++) {
    try {
      const row = await db.get(table, 1);
      assert(row);
      row.value++;
      await db.commit();
      return tries;
    } catch (error) {
      if (!(error instanceof StaleDataError)) throw error;
      await db.rollback();
    }
  }
}

for (const table of [counters, tokens]) {
  const kind = table === counters ? "a version column" : "xmin";
  test(`lets nobody's change be lost, with ${kind}`, async ({ Session, rows }) => {
    const tries = await mapTasks(
      Session,
      Array.from({ length: 20 }, (_, n) => n),
      (db) => increment(db, table),
      { concurrency: 20 },
    );
    const name = table === counters ? "counters" : "tokens";
    assertEquals(await rows(`select value from ${name} where id = 1`), [
      { value: 20 },
    ]);
    assert(tries.length === 20);
  });
}

test("a value in an error's text is no stale row", async ({ db }) => {
  const error = await assertRejects(
    () => db.execute(sql`select ${"nullpool:stale:1"}::text::int`),
    DatabaseError,
  );
  assertEquals(error.code, "DATABASE_ERROR");
  await db.rollback();
});
