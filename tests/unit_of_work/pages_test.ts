import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  customType,
  integer,
  pgTable,
  serial,
  timestamp,
} from "drizzle-orm/pg-core";
import { DatabaseError, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

/** Reads that throw, from a number on. */
let broken = Infinity;
const breakable = customType<{ data: number; driverData: unknown }>({
  dataType: () => "int",
  fromDriver(value) {
    if (Number(value) >= broken) throw new RangeError("cannot read that");
    return Number(value);
  },
});
const items = pgTable("items", {
  id: serial().primaryKey(),
  n: integer().notNull(),
  at: timestamp(),
});
const odd = pgTable("odd", { id: serial().primaryKey(), n: breakable() });

/** More than one statement takes. */
const MANY = 7_000;

const test = entityTests("A long list", {
  setup: [
    "create table items (id serial primary key, n int not null check (n < 1000000), at timestamp)",
    "create table odd (id serial primary key, n int)",
  ],
  schema: {},
});

function listOf(count: number): { n: number; at: Date | null }[] {
  return Array.from({ length: count }, (_, n) => ({ n, at: null }));
}

test("is inserted, changed and removed in one flight each", async ({ db, flights }) => {
  const made = db.addAll(items, listOf(MANY));
  await db.flush();
  assertEquals(flights().length, 1);
  assertEquals(made.map(({ id, n }) => id - n), Array(MANY).fill(1));
  for (const each of made) each.n++;
  await db.flush();
  assertEquals(flights().map(({ length }) => length), [4]);
  for (const each of made) db.remove(each);
  await db.commit();
  assertEquals(flights().map((texts) => texts.at(-1)), ["commit"]);
  assertEquals(await db.$count(items), 0);
});

test("with a value that cannot be written sends nothing", async ({ db, flights }) => {
  const made = db.addAll(items, listOf(MANY));
  const last = made.at(-1);
  assert(last);
  last.at = new Date(NaN);
  await assertRejects(() => db.flush(), TypeError, '"at"');
  assertEquals(flights(), []);
  last.at = null;
  await db.commit();
  assertEquals(last.id, MANY);
});

test("that is refused at its end is forgotten with the rollback", async ({ db }) => {
  const made = db.addAll(items, [...listOf(MANY), { n: 1_000_000, at: null }]);
  await assertRejects(() => db.flush(), DatabaseError);
  await db.rollback();
  assertEquals(db.new, []);
  for (const each of [made[0], made[MANY]]) {
    assertThrows(() => db.remove(each ?? {}), StateError, "items");
  }
  assertEquals(await db.$count(items), 0);
});

test("that a column cannot read fails its flush, and no more", async ({ db }) => {
  broken = 10;
  db.addAll(odd, listOf(MANY).map(({ n }) => ({ n })));
  await assertRejects(() => db.flush(), RangeError, "cannot read that");
  broken = Infinity;
  await db.rollback();
  assertEquals(await db.$count(odd), 0);
});
