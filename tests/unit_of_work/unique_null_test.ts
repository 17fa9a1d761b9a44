import { assert, assertEquals } from "@std/assert";
import { integer, pgTable, serial, text, unique } from "drizzle-orm/pg-core";
import { entityTests, inShort } from "./entity_bed.ts";

const prices = pgTable("prices", {
  id: serial().primaryKey(),
  sku: text().notNull(),
  // The price without a group is the one for everybody.
  groupId: integer(),
}, (t) => [
  unique("prices_of").on(t.sku, t.groupId).nullsNotDistinct(),
]);
const settings = pgTable("settings", {
  id: serial().primaryKey(),
  owner: integer().unique("settings_owner", { nulls: "not distinct" }),
});
const notes = pgTable("notes", {
  id: serial().primaryKey(),
  owner: integer().unique("notes_owner"),
});

const test = entityTests("flush()", {
  setup: [
    `create table prices (id serial primary key, sku text not null, "groupId" int,
      constraint prices_of unique nulls not distinct (sku, "groupId"))`,
    `create table settings (id serial primary key, owner int,
      constraint settings_owner unique nulls not distinct (owner))`,
    `create table notes (id serial primary key, owner int,
      constraint notes_owner unique (owner))`,
  ],
  schema: {},
});

test("deletes first what has the only NULL", async ({ db, rows, flights }) => {
  const old = db.add(prices, { sku: "a" });
  const setting = db.add(settings, {});
  await db.commit();
  db.remove(old);
  db.remove(setting);
  db.add(prices, { sku: "a" });
  db.add(settings, { owner: null });
  flights();
  await db.commit();
  assertEquals(flights()[0]?.map(inShort).map((text) => text.split(" ")[0]), [
    "begin",
    "delete",
    "delete",
    "insert",
    "insert",
    "commit",
  ]);
  assertEquals(
    await rows(
      'select prices.id as price, settings.id as setting from prices cross join settings where owner is null and "groupId" is null',
    ),
    [{ price: 2, setting: 2 }],
  );
});

test("hands the only NULL on", async ({ db, rows }) => {
  const [a, b, other] = db.addAll(prices, [
    { sku: "a", groupId: 1 },
    { sku: "a" },
    { sku: "b" },
  ]);
  const [c, d] = db.addAll(settings, [{ owner: 1 }, {}]);
  assert(a && b && c && d && other);
  await db.commit();
  a.groupId = null;
  b.groupId = 5;
  c.owner = null;
  d.owner = 5;
  other.groupId = 1;
  await db.commit();
  assertEquals(await rows('select "groupId" as of from prices order by id'), [
    { of: null },
    { of: 5 },
    { of: 1 },
  ]);
  assertEquals(await rows("select owner as of from settings order by id"), [
    { of: null },
    { of: 5 },
  ]);
});

test("knows many NULLs where they are distinct", async ({ db, flights }) => {
  const [first] = db.addAll(notes, [{}, {}]);
  assert(first);
  await db.commit();
  db.remove(first);
  db.add(notes, {});
  flights();
  await db.commit();
  assertEquals(flights()[0]?.map(inShort), [
    "begin",
    "insert notes",
    "delete notes",
    "commit",
  ]);
});
