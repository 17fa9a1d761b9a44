import { assert, assertEquals, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  customType,
  integer,
  numeric,
  pgTable,
  pgTableCreator,
  primaryKey,
  serial,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { DatabaseError, ref, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const prices = pgTable("prices", {
  id: serial().primaryKey(),
  price: numeric(),
  ord: integer(),
});
const tenants = pgTable("tenants", {
  tenant: integer().notNull(),
  id: serial(),
  name: text(),
}, (table) => [primaryKey({ columns: [table.tenant, table.id] })]);
const children = pgTable("children", {
  id: serial().primaryKey(),
  tenantRow: integer(),
  made: uuid(),
});
const kinds = pgTable("kinds", {
  id: integer().notNull(),
  kind: text().notNull().default("main"),
  name: text(),
}, (table) => [primaryKey({ columns: [table.id, table.kind] })]);
const computed = pgTable("computed", {
  id: uuid().primaryKey().$defaultFn(() => sql`gen_random_uuid()` as never),
  name: text(),
});
const hours = pgTable("hours", {
  id: integer().notNull(),
  at: timestamp({ withTimezone: true, precision: 0 }).notNull(),
  name: text(),
}, (table) => [primaryKey({ columns: [table.id, table.at] })]);
const lowered = pgTable("lowered", { id: text().primaryKey(), name: text() });
const upper = customType<{ data: string }>({
  dataType: () => "text",
  toDriver: (value) => sql`upper(${value})`,
});
const shouts = pgTable("shouts", { id: serial().primaryKey(), word: upper() });
const prefixed = pgTableCreator((name) => `app_${name}`)("users", {
  id: serial().primaryKey(),
  name: text(),
});

const test = entityTests("Session", {
  setup: [
    "create table prices (id serial primary key, price numeric, ord int)",
    "create table tenants (tenant int, id serial, name text, primary key (tenant, id))",
    'create table children (id serial primary key, "tenantRow" int, made uuid)',
    "create table kinds (id int, kind text default 'main', name text, primary key (id, kind))",
    "create table computed (id uuid primary key, name text)",
    "create table hours (id int, at timestamptz(0), name text, primary key (id, at))",
    "create table lowered (id text primary key, name text)",
    "create function lower_id() returns trigger language plpgsql as 'begin new.id := lower(new.id); return new; end'",
    "create trigger lower_id before insert on lowered for each row execute function lower_id()",
    "create table shouts (id serial primary key, word text)",
    "create table app_users (id serial primary key, name text)",
  ],
  schema: { prefixed },
  drivers: ["pglite", "postgres"],
});

test("gives each value its own row, whatever is in it", async ({ db }) => {
  const [a, b] = db.addAll(prices, [{ price: "1", ord: 1 }, { price: "2" }]);
  assert(a && b);
  await db.commit();
  assertEquals([a.price, a.ord, b.price, b.ord], ["1", 1, "2", null]);
  for (const text of ["1,5", "7}", '"', "null", " 3"]) {
    a.price = text;
    b.price = "7";
    if (text === " 3") await db.flush();
    else await assertRejects(() => db.flush(), DatabaseError);
    await db.rollback();
  }
});

test("knows rows by keys of which a part is known", async ({ db, rows }) => {
  const two = db.add(tenants, { tenant: 2, name: "two" });
  const one = db.add(tenants, { tenant: 1, name: "one" });
  const child = db.add(children, { tenantRow: ref(two).id });
  const named = db.addAll(kinds, [
    { id: 2, name: "b" },
    { id: 1, name: "a" },
  ]);
  await db.commit();
  assertEquals([two.id, one.id, child.tenantRow], [1, 2, 1]);
  assertEquals([two.name, one.name], ["two", "one"]);
  assertEquals(named.map(({ kind, name }) => [kind, name]), [
    ["main", "b"],
    ["main", "a"],
  ]);
  assertEquals(await rows("select id, name from tenants order by id"), [
    { id: 1, name: "two" },
    { id: 2, name: "one" },
  ]);
});

test("knows rows by keys that SQL makes", async ({ db, rows }) => {
  const names = ["h", "g", "f", "e", "d", "c", "b", "a"];
  const made = names.map((name) => db.add(computed, { name }));
  for (const parent of made) db.add(children, { made: ref(parent).id });
  const given = names.map((name) =>
    db.add(computed, { id: sql`gen_random_uuid()`, name: `${name}2` })
  );
  await db.commit();
  const stored = await rows("select id, name from computed");
  for (const { id, name } of [...made, ...given]) {
    assertEquals(stored.filter((row) => (row as { id: string }).id === id), [
      { id, name },
    ]);
  }
  assertEquals(
    await rows(
      `select name from children c join computed p on p.id = c.made order by c.id`,
    ),
    names.map((name) => ({ name })),
  );
});

test("knows keys that are rounded, and says when they are others", async ({ db, rows }) => {
  const first = db.add(hours, {
    id: 1,
    at: new Date("2024-01-01T00:00:00.700Z"),
    name: "first",
  });
  const second = db.add(hours, {
    id: 2,
    at: new Date("2024-01-01T00:00:05Z"),
    name: "second",
  });
  await db.commit();
  assertEquals([first.id, first.name, second.name], [1, "first", "second"]);
  assertEquals(first.at, new Date("2024-01-01T00:00:01Z"));
  db.add(lowered, { id: "ABC", name: "x" });
  await assertRejects(
    () => db.commit(),
    StateError,
    'Cannot insert into "lowered" by "id": 0 of 1 rows came back under their keys; a trigger has skipped the others, or changed their keys',
  );
  await db.rollback();
  assertEquals(await rows("select * from lowered"), []);
});

test("writes types that a function of the database writes", async ({ db, rows, flights }) => {
  const made = db.add(shouts, { word: "abc" });
  await db.commit();
  assertEquals(made.word, "ABC");
  flights();
  await db.flush();
  assertEquals(flights(), []);
  made.word = "def";
  await db.commit();
  assertEquals(await rows("select word from shouts"), [{ word: "DEF" }]);
});

test("knows tables whose names have a prefix", async ({ db }) => {
  const user = db.add(prefixed, { name: "a" });
  await db.flush();
  await db.update(prefixed).set({ name: "b" });
  assertEquals((await db.get(prefixed, user.id))?.name, "b");
});
