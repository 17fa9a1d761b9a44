import { assert, assertEquals } from "@std/assert";
import { asc, desc } from "drizzle-orm";
import { integer, pgTable, serial } from "drizzle-orm/pg-core";
import type { Session } from "../../mod.ts";
import { entityTests, inShort } from "./entity_bed.ts";

const apples = pgTable("apples", {
  id: serial().primaryKey(),
  zebraId: integer().references(() => zebras.id),
  count: integer().notNull().default(0),
});
const mice = pgTable("mice", {
  id: serial().primaryKey(),
  count: integer().notNull().default(0),
});
const zebras = pgTable("zebras", {
  id: serial().primaryKey(),
  count: integer().notNull().default(0),
});
const ORDERS = [
  [apples, mice, zebras],
  [zebras, mice, apples],
  [mice, apples, zebras],
] as const;

const test = entityTests("flush()", {
  setup: [
    "create table zebras (id serial primary key, count int not null default 0)",
    "create table mice (id serial primary key, count int not null default 0)",
    `create table apples (id serial primary key, "zebraId" int references zebras,
      count int not null default 0)`,
    ...["zebras", "mice", "apples"].map((name) =>
      `insert into ${name} (count) values (0)`
    ),
  ],
  schema: {},
  drivers: ["pglite", "postgres"],
});

async function load(
  db: Session,
  table: (typeof ORDERS)[number][number],
): Promise<{ count: number }> {
  const row = await db.get(table, 1);
  assert(row);
  return row;
}

/** What a flush writes, in short. */
async function written(
  db: Session,
  flights: () => string[][],
): Promise<string[]> {
  flights();
  await db.flush();
  return flights().flat().map(inShort).filter((text) => text !== "begin");
}

test("updates tables in one order, whichever was loaded first", async ({ db, flights }) => {
  for (const order of ORDERS) {
    for (const table of order) (await load(db, table)).count++;
    // A foreign key wants zebras ahead of apples.
    assertEquals(await written(db, flights), [
      "update mice",
      "update zebras",
      "update apples",
    ]);
    await db.rollback();
    // They keep their order where no apples are.
    const others = order.filter((table) => table !== apples);
    for (const table of others) (await load(db, table)).count++;
    assertEquals(await written(db, flights), ["update mice", "update zebras"]);
    await db.rollback();
  }
});

test("deletes from tables in one order, whichever was loaded first", async ({ db, flights }) => {
  for (const order of ORDERS) {
    for (const table of order) db.remove(await load(db, table));
    assertEquals(await written(db, flights), [
      "delete apples",
      "delete zebras",
      "delete mice",
    ]);
    await db.rollback();
  }
});

test("updates the row with the lowest key first, whichever columns were changed", async ({ db, flights }) => {
  db.addAll(apples, [{ count: 1 }, { count: 2 }]);
  await db.commit();
  for (const orderBy of [asc(apples.id), desc(apples.id)]) {
    for (const apple of await db.find(apples, undefined, { orderBy })) {
      if (apple.id === 2) apple.zebraId = 1;
      else apple.count++;
    }
    flights();
    await db.flush();
    const [first, second] = flights().flat().slice(-2);
    assert(first?.includes('set "count"') && second?.includes('"zebraId"'));
    await db.rollback();
  }
});

test("leaves tables of new rows in the order in which they are given", async ({ db, flights }) => {
  const [zebra, mouse] = [await load(db, zebras), await load(db, mice)];
  zebra.count++;
  db.add(apples, {});
  mouse.count++;
  assertEquals(await written(db, flights), [
    "update mice",
    "update zebras",
    "insert apples",
  ]);
  await db.rollback();
  db.add(zebras, {});
  db.add(mice, {});
  assertEquals(await written(db, flights), ["insert zebras", "insert mice"]);
});
