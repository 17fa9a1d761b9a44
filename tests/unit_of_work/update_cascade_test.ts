import { assert, assertEquals, assertRejects } from "@std/assert";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { mapTable, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const countries = pgTable("countries", {
  id: integer().primaryKey(),
  code: text().notNull().unique(),
  name: text(),
});
const towns = pgTable("towns", {
  id: serial().primaryKey(),
  countryId: integer().references(() => countries.id, { onUpdate: "cascade" }),
  code: text().references(() => countries.code, { onUpdate: "set null" }),
});
const streets = pgTable("streets", {
  id: serial().primaryKey(),
  code: text().references(() => countries.code),
  townId: integer().references(() => towns.id),
});
const marked = pgTable("marked", {
  id: serial().primaryKey(),
  countryId: integer().references(() => countries.id, { onUpdate: "cascade" }),
});

const test = entityTests("flush()", {
  setup: [
    "create table countries (id int primary key, code text not null unique, name text)",
    `create table towns (id serial primary key,
      "countryId" int references countries on update cascade,
      code text references countries (code) on update set null)`,
    `create table streets (id serial primary key, code text references countries (code),
      "townId" int references towns)`,
    `create table marked (id serial primary key,
      "countryId" int references countries on update cascade)`,
    "insert into countries values (1, 'a')",
    `insert into towns ("countryId", code) values (1, 'a')`,
    `insert into streets ("townId") values (1)`,
    `insert into marked ("countryId") values (1)`,
  ],
  schema: {},
  tables: [mapTable(marked, { version: "xmin" })],
});

test("has rows read again that follow a key", async ({ db }) => {
  const country = await db.get(countries, 1);
  const town = await db.get(towns, 1);
  assert(country && town);
  country.id = 2;
  await db.flush();
  assertEquals((await db.get(towns, 1))?.countryId, 2);
  country.code = "b";
  await db.flush();
  await db.find(towns);
  assertEquals([town.countryId, town.code], [2, null]);
  await db.rollback();
  await db.get(towns, 1);
  assertEquals([town.countryId, town.code], [1, "a"]);
});

test("leaves rows as they were read where no key is written", async ({ db, flights }) => {
  const country = await db.get(countries, 1);
  const town = await db.get(towns, 1);
  assert(country && town);
  country.name = "A";
  town.countryId = null;
  await db.flush();
  flights();
  await db.get(towns, 1);
  await db.get(countries, 1);
  assertEquals(flights(), []);
});

test("lets a row follow by hand what follows anyway", async ({ db, rows }) => {
  const country = await db.get(countries, 1);
  const town = await db.get(towns, 1);
  assert(country && town);
  country.id = 3;
  town.countryId = 3;
  await db.commit();
  assertEquals(
    await rows('select "countryId" as of from towns'),
    [{ of: 3 }],
  );
});

test("refuses a row that follows by hand where nothing else does", async ({ db }) => {
  const country = await db.get(countries, 1);
  const street = await db.get(streets, 1);
  const mark = await db.get(marked, 1);
  assert(country && street && mark);
  street.code = "a";
  await db.commit();
  country.code = street.code = "c";
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "FLUSH_CYCLE");
  country.code = street.code = "a";
  // The database would change its version, too.
  country.id = mark.countryId = 4;
  const other = await assertRejects(() => db.commit(), StateError);
  assertEquals(other.code, "FLUSH_CYCLE");
});
