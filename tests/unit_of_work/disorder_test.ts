import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { eq, sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  integer,
  pgTable,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import {
  ConnectionError,
  createEngine,
  IntegrityError,
  mapTable,
  ref,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { entityTests, inShort } from "./entity_bed.ts";

const users = pgTable("users", {
  id: serial().primaryKey(),
  name: text().unique(),
  age: integer(),
  at: timestamp({ withTimezone: true }),
});
const versioned = pgTable("versioned", {
  id: serial().primaryKey(),
  name: text(),
  version: integer(),
});
const generated = pgTable("generated", {
  id: serial().primaryKey(),
  userId: integer().references(() => users.id),
  name: text(),
});
const unread = pgTable("unread", { id: serial().primaryKey(), name: text() });
const parents = pgTable("parents", { id: integer().primaryKey() });
const cascaded = pgTable("cascaded", {
  id: integer().primaryKey(),
  parentId: integer().references(() => parents.id, { onDelete: "cascade" }),
});
const nodes = pgTable("nodes", {
  id: serial().primaryKey(),
  name: text().unique(),
  parentId: integer().references((): AnyPgColumn => nodes.id),
});
const keyless = pgTable("keyless", { line: text() });

const test = entityTests("Session", {
  setup: [
    "create table users (id serial primary key, name text unique, age int, at timestamptz)",
    "create table versioned (id serial primary key, name text, version int)",
    'create table generated (id serial primary key, "userId" int references users, name text)',
    "create table unread (id serial primary key, name text)",
    "create table parents (id int primary key)",
    'create table cascaded (id int primary key, "parentId" int references parents on delete cascade)',
    'create table nodes (id serial primary key, name text unique, "parentId" int references nodes)',
    "create table keyless (line text)",
    "insert into users (name, age) values ('a', 1), ('b', 2)",
    "insert into versioned (name) values ('old')",
  ],
  schema: {},
  tables: [
    mapTable(versioned, { version: versioned.version }),
    mapTable(generated, { readBack: "generated" }),
    mapTable(unread, { readBack: "none" }),
  ],
  drivers: ["postgres"],
});

test("rollback() and close() bear values that cannot be written", async ({ db, Session, bed }) => {
  const a = await db.get(users, 1);
  assert(a);
  a.at = new Date(NaN);
  await db.rollback();
  assertEquals([a.at, db.state], [null, "idle"]);
  await assertRejects(
    () =>
      Session.begin(async (other) => {
        const b = await other.get(users, 2);
        if (b) b.at = new Date(NaN);
        throw new RangeError("mine");
      }),
    RangeError,
    "mine",
  );
  assertEquals(await bed.database?.openTransactions(), 0);
});

test("a flush that finds no connection is not forgotten", async ({ bed }) => {
  let isDown = true;
  const driver: Driver = {
    ...bed.driver,
    connect: (options) =>
      isDown
        ? Promise.reject(new Error("refused"))
        : bed.driver.connect(options),
  };
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  for (const call of ["flush", "commit"] as const) {
    db.add(users, { name: "lost" });
    await assertRejects(() => db[call](), ConnectionError);
    assertEquals(db.state, "failed");
    await assertRejects(() => db.commit(), StateError);
    await db.rollback();
  }
  isDown = false;
  db.add(users, { name: "kept" });
  await db.commit();
});

test("flush() tells of what was enqueued, and a block of its own", async ({ db }) => {
  db.enqueue(db.insert(users).values({ name: "a" }));
  await assertRejects(() => db.flush(), IntegrityError);
  await db.rollback();
  await assertRejects(
    () =>
      db.transaction((tx) => {
        tx.enqueue(tx.insert(users).values({ name: "a" }));
        return Promise.resolve();
      }),
    IntegrityError,
  );
  await db.rollback();
});

test("merge() takes values, and nothing else", async ({ db }) => {
  const a = await db.get(users, 1);
  assert(a);
  for (
    const values of [
      { id: 1, name: sql`upper('x')` },
      { id: 1, age: ref(a).age },
      { id: 1, nick: "x" },
    ]
  ) {
    await assertRejects(
      () => db.merge(users, values as never),
      TypeError,
      "Cannot merge",
    );
  }
});

test("find() refuses a table without a key", async ({ db }) => {
  const error = await assertRejects(() => db.find(keyless), StateError);
  assertEquals(error.code, "NO_PRIMARY_KEY");
});

test("a row that is locked has not gone", async ({ db, Session, rows }) => {
  const a = await db.get(users, 1);
  assert(a);
  await using other = Session();
  await other.get(users, 1, { lock: "update" });
  const lock = { strength: "update", skipLocked: true } as const;
  assertEquals(await db.get(users, 1, { lock }), undefined);
  await db.refresh(a, { lock });
  await other.rollback();
  a.age = 9;
  await db.commit();
  assertEquals(await rows("select age from users where id = 1"), [{ age: 9 }]);
});

test("counts versions from nothing", async ({ db }) => {
  const old = await db.get(versioned, 1);
  const made = db.add(versioned, { name: "new" });
  assert(old);
  old.name = "changed";
  await db.commit();
  made.name = "changed";
  old.name = "again";
  await db.commit();
  assertEquals([old.version, made.version], [2, 2]);
});

test("a read does not hide what was written behind it", async ({ db }) => {
  await db.get(users, 1);
  await db.commit();
  await Promise.all([
    db.find(users),
    db.update(users).set({ age: 7 }).where(eq(users.id, 1)).execute(),
  ]);
  assertEquals((await db.get(users, 1))?.age, 7);
});

test('readBack "generated" reads what nobody else knows', async ({ db, Session }) => {
  const user = db.add(users, { name: "x" });
  const made = db.add(generated, {
    userId: ref(user).id,
    name: sql`upper('y')`,
  });
  await db.commit();
  assertEquals([made.userId, made.name], [user.id, "Y"]);
  await Session.begin((other) => other.update(generated).set({ name: "Z" }));
  made.userId = null;
  await db.flush();
  assertEquals((await db.get(generated, made.id))?.name, "Z");
});

test("what is never read back is not referred to later", async ({ db }) => {
  const made = db.add(unread, { name: "x" });
  await db.commit();
  db.add(generated, { userId: ref(made).id });
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "NOT_FLUSHED");
});

test("refresh() knows new rows, and rows that move", async ({ db }) => {
  const made = db.add(users, { name: "x" });
  const error = await assertRejects(() => db.refresh(made), StateError);
  assertEquals(error.code, "NOT_FLUSHED");
  await db.commit();
  made.id = 99;
  await db.refresh(made);
  assertEquals(made.id, 99);
});

test("begin() refuses what is pending", async ({ db }) => {
  db.add(users, { name: "x" });
  const error = await assertRejects(
    () => db.begin({ isolationLevel: "serializable" }),
    StateError,
  );
  assertEquals(error.code, "TRANSACTION_OPEN");
});

test("expunge() is for good, and what others committed too", async ({ db, Session }) => {
  const a = await db.get(users, 1);
  const b = await db.get(users, 2);
  assert(a && b);
  db.expunge(a);
  a.age = 5;
  await db.rollback();
  assertEquals(a.age, 5);
  assertThrows(() => db.remove(a), StateError);
  await Session.begin((other) => other.update(users).set({ age: 99 }));
  await db.get(users, 2);
  assertEquals(b.age, 99);
  await db.rollback();
  assertEquals(b.age, 99);
});

test("a delete has its cascade seen", async ({ db }) => {
  const parent = db.add(parents, { id: 1 });
  db.add(cascaded, { id: 1, parentId: 1 });
  await db.commit();
  await db.get(cascaded, 1);
  db.remove(parent);
  await db.flush();
  assertEquals(await db.get(cascaded, 1), undefined);
});

test("addAll() adds all or none", async ({ db }) => {
  assertThrows(
    () => db.addAll(users, [{ name: "x" }, { nick: "y" } as never]),
    TypeError,
  );
  assertEquals(db.new, []);
  await db.commit();
});

test("two rows that move to one key are told apart", async ({ db }) => {
  const [a, b] = await db.find(users, undefined, { orderBy: users.id });
  assert(a && b);
  a.id = b.id = 7;
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals([error.code, error.entities], ["ENTITY_DUPLICATE", [a, b]]);
});

test("afterBegin may load entities", async ({ engine }) => {
  let loaded: unknown;
  const Session = sessionmaker(engine, {
    hooks: {
      async afterBegin(tx) {
        loaded = await tx.get(users, 1);
      },
    },
  });
  await using db = Session();
  const a = await db.get(users, 1);
  assertStrictEquals(a, loaded);
});

test("sql`default` is a column that is left out", async ({ db }) => {
  const made = db.add(users, { id: sql`default`, name: sql`default` });
  await db.commit();
  assertEquals([made.id, made.name], [3, null]);
});

test("a row leaves another one, and takes its name", async ({ db, flights }) => {
  const parent = db.add(nodes, { name: "first" });
  const child = db.add(nodes, { name: "second", parentId: ref(parent).id });
  await db.commit();
  flights();
  await db.refresh(child);
  child.parentId = null;
  child.name = "first";
  db.remove(parent);
  await db.commit();
  assertEquals(
    flights().at(-1)?.map(inShort),
    ["begin", "update nodes", "delete nodes", "update nodes", "commit"],
  );
});
