import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  customType,
  date,
  integer,
  pgTable,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { DatabaseError, mapTable } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

/** As Drizzle's own documentation writes it. */
const document = customType<{ data: { a: number }; driverData: unknown }>({
  dataType: () => "jsonb",
  toDriver: (value) => JSON.stringify(value),
  fromDriver: (value) => typeof value === "string" ? JSON.parse(value) : value,
});

const broken = customType<{ data: string; driverData: string }>({
  dataType: () => "json",
  toDriver: (value) => `{${value}`,
});

class Money {
  cents: number;

  constructor(cents: number) {
    this.cents = cents;
  }
}

const money = customType<{ data: Money; driverData: string }>({
  dataType: () => "numeric(9, 2)",
  toDriver: ({ cents }) => (cents / 100).toFixed(2),
  fromDriver: (value) => new Money(Math.round(Number(value) * 100)),
});

/** A list of them: its copy has the same instances. */
const prices = customType<{ data: Money[]; driverData: string }>({
  dataType: () => "text",
  toDriver: (value) => value.map(({ cents }) => cents).join(),
  fromDriver: (value) => value.split(",").map((each) => new Money(+each)),
});

/** JSON with numbers of its own, which no parser of JavaScript's can hold. */
const exact = customType<{ data: bigint; driverData: unknown }>({
  dataType: () => "jsonb",
  toDriver: (value) => `{"n": ${value}}`,
});

let nonces = 0;

/** Written differently each time, as what is encrypted with a nonce. */
const sealed = customType<
  { data: { key: string; parts: number[] }; driverData: string }
>({
  dataType: () => "text",
  toDriver: (value) => `${++nonces}:${JSON.stringify(value)}`,
  fromDriver: (value) => JSON.parse(value.replace(/^\d+:/, "")),
});

let clock = Date.UTC(2026, 0, 1);

const items = pgTable("items", {
  id: serial().primaryKey(),
  n: integer(),
  document: document(),
  broken: broken(),
  price: money(),
  sealed: sealed(),
  version: integer().notNull().default(1),
});
/** Whose values nobody reads back. */
const bare = pgTable("bare", {
  id: integer().primaryKey(),
  price: money(),
  prices: prices(),
});
/** One whose rows travel as lists, and one whose rows travel as records. */
const exacts = pgTable("exacts", { id: serial().primaryKey(), exact: exact() });
const mixed = pgTable("mixed", {
  id: serial().primaryKey(),
  exact: exact(),
  tags: text().array(),
});
const stamped = pgTable("stamped", {
  id: serial().primaryKey(),
  n: integer(),
  at: timestamp({ withTimezone: true }).$onUpdate(() =>
    new Date(clock += 1_000)
  ),
  by: text().$onUpdate(() => `at ${clock}`),
});
const terms = pgTable("terms", {
  id: integer().primaryKey(),
  until: timestamp({ withTimezone: true }),
  day: date({ mode: "date" }),
});

const test = entityTests("Session", {
  setup: [
    `create table items (id serial primary key, n int, document jsonb,
      broken json, price numeric(9, 2), sealed text,
      version int not null default 1)`,
    "create table bare (id int primary key, price numeric(9, 2), prices text)",
    "create table exacts (id serial primary key, exact jsonb)",
    "create table mixed (id serial primary key, exact jsonb, tags text[])",
    `create table stamped (id serial primary key, n int, at timestamptz,
      by text)`,
    "create table terms (id int primary key, until timestamptz, day date)",
    `insert into terms values (1, 'infinity', '-infinity'),
      (2, '0044-03-15 12:00 BC', 'infinity'), (3, null, null)`,
  ],
  schema: { items, stamped, terms, bare, exacts, mixed },
  tables: [
    mapTable(items, { version: items.version }),
    mapTable(bare, { readBack: "none" }),
    mapTable(exacts, { readBack: "generated" }),
    mapTable(mixed, { readBack: "generated" }),
  ],
});

test("has what the schema makes at an update, and writes it once", async ({ Session, db, flights, rows }) => {
  const added = db.addAll(stamped, [{ n: 1 }, { n: 1 }]);
  await db.commit();
  const [one] = added;
  assert(one);
  const made = one.at;
  one.n = 2;
  await db.commit();
  assert(one.at !== null && made !== null && one.at > made);
  assertEquals(one.by, `at ${clock}`);
  assertEquals(db.dirty, []);
  assertEquals(
    await rows(`select by = 'at ${clock}' as same from stamped where id = 1`),
    [{ same: true }],
  );
  flights();
  await db.commit();
  assertEquals(flights(), []);
  // What was given stays, and a rollback brings back what was there.
  const before = { ...one };
  one.by = "me";
  await db.flush();
  assertEquals(one.by, "me");
  await db.rollback();
  assertEquals({ ...one }, before);
  const again = Session();
  assertEquals((await again.get(stamped, 1))?.at, one.at);
  await again.close();
});

test("writes JSON of a custom type as JSON", async ({ db, rows }) => {
  const added = db.addAll(items, [{ document: { a: 1 } }, { n: 1 }]);
  db.add(items, { document: { a: 3 }, n: 3 });
  await db.flush();
  const [one] = added;
  assert(one?.document);
  one.document.a = 2;
  await db.commit();
  const stored = `select jsonb_typeof(document) as type, document ->> 'a' as a
    from items order by id`;
  assertEquals(await rows(stored), [
    { type: "object", a: "2" },
    { type: null, a: null },
    { type: "object", a: "3" },
  ]);
  db.add(items, { broken: "secret" });
  const error = await assertRejects(() => db.flush(), DatabaseError);
  assertEquals(error.sqlstate, "22P02");
  assert(!error.message.includes("secret"));
});

test("keeps the numbers of somebody's own JSON", async ({ db, rows }) => {
  const values = [2n ** 63n, 2n ** 63n + 1n].map((exact) => ({ exact }));
  for (const table of [exacts, mixed]) {
    db.addAll(table, [...values, { exact: null }]);
    await db.flush();
    const [one] = db.addAll(table, [{ exact: 1n }]);
    await db.flush();
    assert(one);
    one.exact = 2n ** 63n + 3n;
    await db.commit();
  }
  const stored = [...values.map(({ exact }) => exact), null, 2n ** 63n + 3n]
    .map((each) => ({ n: each === null ? null : String(each) }));
  for (const name of ["exacts", "mixed"]) {
    assertEquals(
      await rows(`select exact ->> 'n' as n from ${name} order by id`),
      stored,
    );
  }
});

test("leaves times alone that no Date can hold", async ({ db, flights, rows }) => {
  const found = await db.find(terms);
  assertEquals(db.dirty, []);
  const [one, two, three] = found;
  assert(one && two && three);
  three.until = new Date(0);
  flights();
  await db.commit();
  assertEquals(flights().flat().length, 3);
  two.until = new Date(0);
  assertEquals(db.dirty, [two]);
  await db.rollback();
  assertEquals(db.dirty, []);
  two.until = new Date(0);
  await db.commit();
  assertEquals(
    await rows(
      "select id, until::text in ('infinity') as ends, day::text from terms where id < 3 order by id",
    ),
    [
      { id: 1, ends: true, day: "-infinity" },
      { id: 2, ends: false, day: "infinity" },
    ],
  );
});

test("undoes what was changed inside of a class's instance", async ({ db, flights }) => {
  const item = db.add(items, { price: new Money(150), n: 1 });
  await db.commit();
  assert(item.price);
  item.price.cents = 999;
  assertEquals(db.dirty, [item]);
  await db.rollback();
  assertEquals(item.price, new Money(150));
  flights();
  await db.commit();
  assertEquals(flights(), []);
});

test("writes what was changed inside of an instance that was never read", async ({ db, rows }) => {
  const one = db.add(bare, {
    id: 1,
    price: new Money(150),
    prices: [new Money(1), new Money(2)],
  });
  await db.commit();
  assert(one.price && one.prices?.[1]);
  one.price.cents = 999;
  assertEquals(db.dirty, [one]);
  await db.commit();
  one.prices[1].cents = 3;
  assertEquals(db.dirty, [one]);
  await db.commit();
  assertEquals(await rows("select price::text, prices from bare"), [
    { price: "9.99", prices: "1,3" },
  ]);
});

test("does not write what only looks changed", async ({ Session, db, rows }) => {
  db.addAll(items, [
    { sealed: { key: "k", parts: [1] } },
    { sealed: { key: "l", parts: [] } },
  ]);
  await db.commit();
  const version = "select version from items order by id";
  await Session.begin(async (each) => void await each.find(items));
  assertEquals(await rows(version), [{ version: 1 }, { version: 1 }]);
  await Session.begin(async (each) => {
    const [one] = await each.find(items, undefined, { orderBy: items.id });
    one?.sealed?.parts.push(2);
  });
  assertEquals(await rows(version), [{ version: 2 }, { version: 1 }]);
});

test("refuses to delete what was changed after it was removed, from NULL too", async ({ db }) => {
  const three = await db.get(terms, 3);
  assert(three);
  db.remove(three);
  three.until = new Date(0);
  await assertRejects(() => db.commit(), Error, "was removed");
});
