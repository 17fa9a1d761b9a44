import { assert, assertEquals } from "@std/assert";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
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
const test = entityTests("flush()", {
  setup: [
    "create table countries (id int primary key, code text not null unique, name text)",
    `create table towns (id serial primary key,
      "countryId" int references countries on update cascade,
      code text references countries (code) on update set null)`,
    "insert into countries values (1, 'a')",
    `insert into towns ("countryId", code) values (1, 'a')`,
  ],
  schema: {},
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
