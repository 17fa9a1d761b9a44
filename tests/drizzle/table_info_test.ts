import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import {
  bigserial,
  foreignKey,
  integer,
  jsonb,
  numeric,
  PgDialect,
  pgEnum,
  pgSchema,
  pgTable,
  primaryKey,
  serial,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { tableInfoReader } from "../../src/drizzle/table_info.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import type { ColumnInfo } from "../../src/unit_of_work/table_info.ts";

const mood = pgEnum("mood", ["calm", "wild"]);
const shop = pgSchema("shop");

const customers = shop.table("customers", {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  fullName: varchar({ length: 40 }).notNull(),
  // deno-lint-ignore no-explicit-any -- a table that refers to itself
  recommendedBy: integer().references((): any => customers.id),
});
const orders = pgTable("orders", {
  id: bigserial({ mode: "bigint" }).primaryKey(),
  token: uuid().defaultRandom().unique(),
  customer: integer().notNull().references(() => customers.id),
  madeAt: timestamp({ withTimezone: true, precision: 3 }).default(sql`now()`),
  changedAt: timestamp({ mode: "string" }).$onUpdate(() => "2026-01-01"),
  state: text().default("new"),
  note: text().$defaultFn(() => "none"),
  total: numeric({ precision: 9, scale: 2 }),
  doubled: numeric().generatedAlwaysAs(sql`total * 2`),
  tags: text().array(),
  mood: mood(),
  extra: jsonb(),
});
const orderLines = pgTable("order_lines", {
  order: integer("order_no").notNull(),
  position: integer().notNull(),
  sku: text().notNull(),
  of: serial(),
}, (t) => [
  primaryKey({ columns: [t.order, t.position] }),
  foreignKey({
    columns: [t.order],
    foreignColumns: [orders.id],
    name: "to_order",
  }),
  unique().on(t.order, t.sku),
  uniqueIndex().on(t.sku, t.of),
  uniqueIndex().on(t.of).where(sql`sku <> ''`),
  uniqueIndex().on(sql`lower(sku)`),
]);

const read = tableInfoReader(new PgDialect({ casing: "snake_case" }));

function byKey(columns: readonly ColumnInfo[]): Map<string, ColumnInfo> {
  return new Map(columns.map((column) => [column.key, column]));
}

Deno.test("tableInfoReader() names tables and columns as the database does", () => {
  const info = read(customers);
  assertEquals([info.name, info.sql], ["shop.customers", '"shop"."customers"']);
  assertEquals(info.columns.map(({ key, name }) => [key, name]), [
    ["id", "id"],
    ["fullName", "full_name"],
    ["recommendedBy", "recommended_by"],
  ]);
  assertEquals(read(orderLines).sql, '"order_lines"');
  assertEquals(read(orderLines).columns[0]?.name, "order_no");
  assertStrictEquals(read(customers), info);
});

Deno.test("tableInfoReader() tells who makes a value", () => {
  const columns = byKey(read(orders).columns);
  const makers = Object.fromEntries(
    [...columns].map(([key, { maker }]) => [key, maker]),
  );
  assertEquals(makers, {
    id: "sequence",
    token: "default",
    customer: "null",
    madeAt: "default",
    changedAt: "client",
    state: "default",
    note: "client",
    total: "null",
    doubled: "generated",
    tags: "null",
    mood: "null",
    extra: "null",
  });
  assertEquals(columns.get("token")?.defaultSql, "gen_random_uuid()");
  assertEquals(columns.get("madeAt")?.defaultSql, "now()");
  assertEquals(columns.get("note")?.makeValue?.(), "none");
  assertEquals(columns.get("changedAt")?.makeUpdate?.(), "2026-01-01");
  assert(byKey(read(customers).columns).get("id")?.isIdentityAlways);
});

Deno.test("tableInfoReader() knows the types that a list can have", () => {
  const types = Object.fromEntries(
    read(orders).columns.map(({ key, listType }) => [key, listType]),
  );
  assertEquals(types, {
    id: "int8",
    token: "uuid",
    customer: "int4",
    madeAt: "timestamp with time zone",
    changedAt: "timestamp",
    state: "text",
    note: "text",
    total: "numeric",
    doubled: "numeric",
    tags: undefined,
    mood: undefined,
    extra: "jsonb",
  });
  assertEquals(
    byKey(read(customers).columns).get("fullName")?.listType,
    "text",
  );
});

Deno.test("tableInfoReader() finds keys of one column and of many", () => {
  const keys = (columns: readonly ColumnInfo[]) =>
    columns.map(({ key }) => key);
  assertEquals(keys(read(orders).primaryKey), ["id"]);
  assertEquals(read(orders).uniqueKeys, [
    { name: "orders_token_unique", keys: ["token"], nullsNotDistinct: false },
  ]);
  const lines = read(orderLines);
  assertEquals(keys(lines.primaryKey), ["order", "position"]);
  assertEquals(lines.uniqueKeys.map(({ keys }) => keys), [
    ["order", "sku"],
    ["sku", "of"],
  ]);
  assertEquals(read(pgTable("log", { line: text() })).primaryKey, []);
});

Deno.test("tableInfoReader() knows of which keys NULL is a value", () => {
  const seats = pgTable("seats", {
    number: integer().unique("number", { nulls: "not distinct" }),
    floor: integer().unique("floor", { nulls: "distinct" }),
    guest: text(),
  }, (t) => [
    unique("guest").on(t.guest).nullsNotDistinct(),
    unique("place").on(t.number, t.floor),
    uniqueIndex("index").on(t.guest),
  ]);
  assertEquals(
    read(seats).uniqueKeys.map(({ name, nullsNotDistinct }) => [
      name,
      nullsNotDistinct,
    ]),
    [
      ["number", true],
      ["floor", false],
      ["guest", true],
      ["place", false],
      ["index", false],
    ],
  );
});

Deno.test("tableInfoReader() follows foreign keys, in circles too", () => {
  const [toOrder] = read(orderLines).foreignKeys;
  assert(toOrder);
  assertEquals([toOrder.name, toOrder.keys, toOrder.targetKeys], [
    "to_order",
    ["order"],
    ["id"],
  ]);
  assertStrictEquals(toOrder.target(), read(orders));
  const [own] = read(customers).foreignKeys;
  assertEquals(own?.keys, ["recommendedBy"]);
  assertStrictEquals(own?.target(), read(customers));
});

Deno.test("tableInfoReader() encodes and decodes as Drizzle does", () => {
  const columns = byKey(read(orders).columns);
  const date = new Date("2026-11-21T12:00:00.000Z");
  const cases: [string, unknown, string][] = [
    ["id", 9007199254740993n, "9007199254740993"],
    ["madeAt", date, "2026-11-21T12:00:00.000Z"],
    ["total", "12.50", "12.50"],
    ["tags", ["a b", 'c"d'], '{"a b","c\\"d"}'],
    ["extra", { a: [1, null] }, '{"a":[1,null]}'],
  ];
  for (const [key, value, encoded] of cases) {
    assertEquals(columns.get(key)?.encode(value), encoded, key);
  }
  assertEquals(columns.get("extra")?.encode(null), null);
  assertEquals(columns.get("madeAt")?.decode("2026-11-21 12:00:00+00"), date);
  assertEquals(columns.get("id")?.decode("7"), 7n);
  assertEquals(columns.get("id")?.decode(null), null);
});

Deno.test("a table of a later release of Drizzle is refused, and not used by halves", () => {
  // What tells them apart, as found in 1.0.0-rc.5: installed beside 0.45, it
  // would become that of other packages as well.
  const users = pgTable("users", { id: serial() });
  Object.assign(users.id, { codec: undefined });
  const engine = createEngine(recordingDriver());
  const error = assertThrows(
    () => sessionmaker(engine, { schema: { users } }),
    TypeError,
  );
  assertEquals(
    error.message,
    'Cannot use table "users": another release of drizzle-orm has made it; import drizzle-orm 0.45',
  );
});
