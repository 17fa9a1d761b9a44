import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  boolean,
  char,
  customType,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  numeric,
  pgSchema,
  pgTable,
  primaryKey,
  real,
  smallint,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { mapTable, ref, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const odd = pgSchema('odd "schema"');
const mood = odd.enum("mood kind", ["calm", 'wi"ld']);
const bytes = customType<{ data: Uint8Array; driverData: string }>({
  dataType: () => "bytea",
  toDriver: (value) => `\\x${value.toHex()}`,
  fromDriver: (value) =>
    typeof value === "string"
      ? Uint8Array.fromHex(value.slice(2))
      : new Uint8Array(value),
});
/** As extensions have them: text that only the type reads. */
const point = customType<{ data: [number, number]; driverData: string }>({
  dataType: () => "point",
  toDriver: ([x, y]) => `(${x},${y})`,
  fromDriver: (value) => {
    const { x, y }: { x: number; y: number } = typeof value === "string"
      ? JSON.parse(value.replace(/\((.*),(.*)\)/, '{"x":$1,"y":$2}'))
      : value;
    return [x, y];
  },
});

/** Of types whose lists PostgreSQL reads as lists. */
function plainColumns() {
  return {
    id: bigserial({ mode: "bigint" }).primaryKey(),
    camelCase: text().notNull(),
    small: smallint(),
    big: bigint({ mode: "bigint" }),
    bigNumber: bigint({ mode: "number" }),
    price: numeric({ precision: 12, scale: 3 }),
    priceNumber: numeric({ mode: "number" }),
    single: real(),
    double: doublePrecision(),
    flag: boolean(),
    fixed: char({ length: 4 }),
    limited: varchar({ length: 9 }),
    token: uuid(),
    day: date(),
    dayDate: date({ mode: "date" }),
    at: timestamp({ withTimezone: true }),
    local: timestamp({ precision: 3 }),
    atText: timestamp({ withTimezone: true, mode: "string" }),
    localText: timestamp({ mode: "string" }),
    hour: time(),
    span: interval(),
    address: inet(),
    data: jsonb(),
    plainJson: json(),
  };
}

const plain = pgTable("plain", plainColumns());

const things = odd.table('the "things"', {
  ...plainColumns(),
  tags: text().array(),
  grid: integer().array().array(),
  mood: mood(),
  moods: mood().array(),
  bytes: bytes(),
  place: point(),
  doubled: integer().generatedAlwaysAs(sql`small * 2`),
  touched: integer().$onUpdate(() => 7),
  touchedSql: timestamp({ withTimezone: true }).$onUpdate(() => sql`now()`),
  madeHere: text().$defaultFn(() => "here"),
  madeThere: text().default("there"),
});

const PLAIN_COLUMNS =
  `id bigserial primary key, camel_case text not null, small smallint,
    big bigint, big_number bigint, price numeric(12, 3), price_number numeric,
    single real, double double precision, flag boolean, fixed char(4),
    limited varchar(9), token uuid, day date, day_date date, at timestamptz,
    local timestamp(3), at_text timestamptz, local_text timestamp, hour time,
    span interval, address inet, data jsonb, plain_json json`;

const SETUP = [
  'create schema "odd ""schema"""',
  `create type "odd ""schema"""."mood kind" as enum ('calm', 'wi"ld')`,
  `create table "odd ""schema"""."the ""things""" (
    ${PLAIN_COLUMNS}, tags text[],
    grid int[][], mood "odd ""schema"""."mood kind",
    moods "odd ""schema"""."mood kind"[], bytes bytea, place point,
    doubled int generated always as (small * 2) stored, touched int,
    touched_sql timestamptz, made_here text, made_there text default 'there')`,
  `create table plain (${PLAIN_COLUMNS})`,
  `create table "pairs" ("left" int, "right" text, note text,
    primary key ("left", "right"))`,
];

const pairs = pgTable("pairs", {
  left: integer(),
  right: text(),
  note: text(),
}, (table) => [primaryKey({ columns: [table.left, table.right] })]);

const test = entityTests("Session", {
  setup: SETUP,
  schema: { things },
  casing: "snake_case",
});

function plainValues() {
  return {
    camelCase: 'quo"ted \\ {a,b} NULL',
    small: 3,
    big: 2n ** 62n,
    bigNumber: 2 ** 52,
    price: "1234.500",
    priceNumber: 0.25,
    single: 1.5,
    double: 1e300,
    flag: true,
    fixed: "ab  ",
    limited: "limited",
    token: "7d0c5a52-9a3a-4a4b-8b3e-3a4b5c6d7e8f",
    day: "2026-02-28",
    dayDate: new Date("2026-02-28T00:00:00Z"),
    at: new Date("2026-02-28T12:34:56.789Z"),
    local: new Date("2026-02-28T12:34:56.789Z"),
    atText: "2026-02-28 12:34:56.123456+00",
    localText: "2026-02-28 12:34:56.123456",
    hour: "12:34:56",
    span: "1 day 02:03:04",
    address: "10.0.0.1",
    data: { z: 1, a: [null, { deep: "ü" }] },
    plainJson: { z: 1, a: 2 },
  };
}

function everything() {
  return {
    ...plainValues(),
    tags: ["a", 'b"c', "d,e", "", "NULL"],
    grid: [[1, 2], [3, 4]],
    mood: 'wi"ld' as const,
    moods: ["calm" as const, 'wi"ld' as const],
    bytes: new Uint8Array([0, 255, 10]),
    place: [1.5, -2] as [number, number],
  };
}

test("carries every type there and back", async ({ db, Session, flights }) => {
  const given = everything();
  const made = db.add(things, given);
  const empty = db.add(things, { camelCase: "only" });
  assertEquals(empty.tags, null);
  assertEquals(made.madeHere, "here");
  await db.commit();
  const { id, doubled, touched, touchedSql, madeHere, madeThere, ...rest } =
    made;
  assertEquals(rest, given);
  assertEquals([id, doubled, touched, madeHere, madeThere], [
    1n,
    6,
    7,
    "here",
    "there",
  ]);
  assert(touchedSql instanceof Date);
  await using other = Session();
  const read = await other.get(things, 1n);
  assertEquals(read, { ...made });
  flights();
  await db.flush();
  await other.flush();
  assertEquals(flights(), []);
});

test("sees a change of every type, and none that was set back", async ({ db, Session, flights }) => {
  const made = db.add(things, everything());
  await db.commit();
  await using other = Session();
  const loaded = await other.get(things, 1n);
  assert(loaded);
  await other.commit();
  for (const entity of [made, loaded]) {
    // The same again, as other objects.
    Object.assign(entity, everything());
    entity.data = { a: [null, { deep: "ü" }], z: 1 };
    await (entity === made ? db : other).flush();
  }
  flights();
  await db.flush();
  assertEquals(flights(), []);
  const data = made.data as { a: unknown[] };
  data.a.push(1);
  made.tags?.push("more");
  made.at?.setUTCFullYear(2027);
  made.bytes?.fill(1, 0, 1);
  if (made.place) made.place[0] = 9;
  made.big = 5n;
  made.plainJson = { a: 2, z: 1 };
  assertEquals(db.dirty, [made]);
  await db.commit();
  const [again] = await other.find(things);
  await other.rollback();
  assertEquals(again?.touched, 7);
  await using third = Session();
  const fresh = await third.get(things, 1n);
  assertEquals(fresh?.data, { a: [null, { deep: "ü" }, 1], z: 1 });
  assertEquals(fresh?.tags?.at(-1), "more");
  assertEquals(fresh?.at, new Date("2027-02-28T12:34:56.789Z"));
  assertEquals(fresh?.bytes, new Uint8Array([1, 255, 10]));
  assertEquals([fresh?.place, fresh?.big], [[9, -2], 5n]);
  assertEquals(JSON.stringify(fresh?.plainJson), '{"a":2,"z":1}');
});

test("carries every plain type there and back, one row alone and many", async ({ db, Session, flights }) => {
  const others = {
    ...plainValues(),
    camelCase: "NULL",
    small: -3,
    big: null,
    price: "NaN",
    priceNumber: -1e-7,
    single: -Infinity,
    double: NaN,
    flag: false,
    limited: '"\\{}',
    at: null,
    local: new Date("1066-10-14T00:00:00Z"),
    span: "-00:00:01",
    data: ['"', "\\", null],
    plainJson: "NULL",
  };
  for (const count of [1, 3]) {
    flights();
    const made = db.addAll(plain, Array.from({ length: count }, plainValues));
    await db.commit();
    for (const given of [plainValues(), others]) {
      for (const entity of made) Object.assign(entity, given);
      await db.commit();
      await using other = Session();
      const read = await other.find(plain, undefined, { orderBy: plain.id });
      assertEquals(read, made.map(({ id }) => ({ id, ...given })));
    }
    for (const entity of made) db.remove(entity);
    await db.commit();
    assertEquals(await db.find(plain), []);
    const own = flights().flat().filter((text) => /^with [viud] as/.test(text));
    const from = count === 1 ? " from (values (" : " from unnest(";
    assertEquals(own.map((text) => text.includes(from)), [true, true, true]);
  }
});

test("brings objects back by a rollback, changed inside or not", async ({ db }) => {
  const made = db.add(things, everything());
  await db.commit();
  (made.data as { a: unknown[] }).a.length = 0;
  made.tags?.pop();
  made.at?.setTime(0);
  made.bytes?.fill(0);
  if (made.place) made.place[1] = 0;
  await db.flush();
  await db.rollback();
  const { data, tags, at, bytes, place } = made;
  const before = everything();
  assertEquals({ data, tags, at, bytes, place }, {
    data: before.data,
    tags: before.tags,
    at: before.at,
    bytes: before.bytes,
    place: before.place,
  });
});

test("keeps JSON's null apart from no value", async ({ db, rows }) => {
  const made = db.add(things, { camelCase: "x", data: sql`'null'::jsonb` });
  const none = db.add(things, { camelCase: "y", data: null });
  await db.commit();
  assertEquals([made.data, none.data], [null, null]);
  made.small = 1;
  await db.commit();
  assertEquals(
    await rows(
      `select data is null as none from "odd ""schema"""."the ""things""" order by id`,
    ),
    [{ none: false }, { none: true }],
  );
});

test("is a plain object when it is flushed", async ({ db }) => {
  const made = db.add(things, { camelCase: "x" });
  const error = assertThrows(() => made.id, StateError);
  assertEquals(error.code, "NOT_FLUSHED");
  assertEquals(
    error.message,
    'Cannot read "id" of "odd "schema".the "things"": the database has yet to make it; call flush() or commit() first, or use ref(entity).id',
  );
  assertThrows(() => JSON.stringify(made), StateError);
  await db.commit();
  assertEquals({ ...made }, structuredClone(made));
  assertEquals(Object.getPrototypeOf(made), Object.prototype);
  const { id: _, ...rest } = made;
  assertEquals(JSON.parse(JSON.stringify(rest)).camelCase, "x");
});

test("refuses what has no place", async ({ db }) => {
  const made = db.add(things, { camelCase: "x" });
  await db.flush();
  made.at = new Date(NaN);
  const error = await assertRejects(() => db.flush(), TypeError);
  assertEquals(
    error.message,
    'Cannot write column "at": its value is none of its type (timestamp with time zone)',
  );
  made.at = null;
  made.doubled = 4;
  await assertRejects(() => db.flush(), TypeError, "generated column");
  assertThrows(
    () => db.add(things, { camelCase: "x", doubled: 3 } as never),
    TypeError,
    "generated column",
  );
  assertThrows(
    () => db.add(things, { camelCase: "x", unknown: 3 } as never),
    TypeError,
    'no column or relation "unknown"',
  );
});

test("knows keys of two columns", async ({ db, flights }) => {
  const made = db.add(pairs, { left: 1, right: "a" });
  db.add(pairs, { left: 1, right: "b" });
  await db.commit();
  flights();
  assert(await db.get(pairs, { left: 1, right: "a" }) === made);
  made.note = "x";
  made.right = "c";
  await db.commit();
  assert(await db.get(pairs, { left: 1, right: "c" }) === made);
  assertEquals(await db.get(pairs, { left: 1, right: "a" }), undefined);
  db.remove(made);
  await db.commit();
  assertEquals((await db.find(pairs)).length, 1);
});

const owned = pgTable("owned", {
  id: integer().primaryKey().default(sql`nextval('shared_ids')`),
  note: text(),
});
const downward = pgTable("downward", {
  id: integer().generatedAlwaysAsIdentity({ increment: -1, startWith: 10 })
    .primaryKey(),
  note: text(),
});
const triggered = pgTable("triggered", {
  id: text().primaryKey(),
  note: text(),
});
const children = pgTable("children", {
  id: integer().generatedByDefaultAsIdentity().primaryKey(),
  ownedId: integer().references(() => owned.id),
  downwardId: integer().references(() => downward.id),
  triggeredId: text().references(() => triggered.id),
});
const keys = entityTests("Session", {
  setup: [
    "create sequence shared_ids start 40",
    "create table owned (id int primary key default nextval('shared_ids'), note text)",
    "create table downward (id int generated always as identity (increment -1 start 10 minvalue -100 maxvalue 100) primary key, note text)",
    "create table triggered (id text primary key, note text)",
    `create function make_key() returns trigger language plpgsql as
      'begin new.id := ''key of '' || new.note; return new; end'`,
    "create trigger make_key before insert on triggered for each row execute function make_key()",
    `create table children (id int generated by default as identity primary key,
      "ownedId" int references owned, "downwardId" int references downward,
      "triggeredId" text references triggered)`,
  ],
  schema: {},
  tables: [mapTable(triggered, { keys: "trigger" })],
});

keys("refers to keys of any making", async ({ db, flights }) => {
  const notes = ["c", "a", "b"];
  const own = db.addAll(owned, notes.map((note) => ({ note })));
  const down = db.addAll(downward, notes.map((note) => ({ note })));
  const trigger = db.addAll(
    triggered,
    notes.map((note) => ({ note })) as never[],
  );
  const parents = notes.map((_, at) => {
    const parent = { own: own[at], down: down[at], trigger: trigger[at] };
    assert(parent.own && parent.down && parent.trigger);
    return { own: parent.own, down: parent.down, trigger: parent.trigger };
  });
  const made = parents.map((parent) =>
    db.add(children, {
      ownedId: ref(parent.own).id,
      downwardId: ref(parent.down).id,
      triggeredId: ref(parent.trigger).id,
    })
  );
  await db.commit();
  assertEquals(flights().length, 1);
  assertEquals(own.map(({ note }) => note), notes);
  assertEquals(down.map(({ id }) => id), [10, 9, 8]);
  assertEquals(trigger.map(({ id }) => id), [
    "key of c",
    "key of a",
    "key of b",
  ]);
  assertEquals(
    made.map((child) => [child.ownedId, child.downwardId, child.triggeredId]),
    parents.map(({ own, down, trigger }) => [own.id, down.id, trigger.id]),
  );
});
