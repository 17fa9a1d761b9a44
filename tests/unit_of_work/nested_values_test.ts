import { assert, assertEquals, assertThrows } from "@std/assert";
import { relations } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { type Session, StateError } from "../../mod.ts";
import { entityTests, inShort } from "./entity_bed.ts";
import { customers, orders, shop, SHOP_SETUP } from "./shop.ts";

const profiles = pgTable("profiles", {
  id: serial().primaryKey(),
  customerId: integer().notNull().references(() => customers.id),
  bio: text(),
});
const lines = pgTable("lines", {
  id: serial().primaryKey(),
  orderId: integer().notNull().references(() => orders.id),
  sku: text().notNull(),
});
const customerRelations = relations(customers, ({ one, many }) => ({
  orders: many(orders),
  profile: one(profiles),
}));
const profileRelations = relations(profiles, ({ one }) => ({
  customer: one(customers, {
    fields: [profiles.customerId],
    references: [customers.id],
  }),
}));
const orderRelations = relations(orders, ({ one, many }) => ({
  customer: one(customers, {
    fields: [orders.customerId],
    references: [customers.id],
  }),
  lines: many(lines),
}));
const lineRelations = relations(lines, ({ one }) => ({
  order: one(orders, { fields: [lines.orderId], references: [orders.id] }),
}));

const schema = {
  ...shop,
  profiles,
  lines,
  customerRelations,
  profileRelations,
  orderRelations,
  lineRelations,
};

/** Checked, never called: each line would be a mistake. */
export function refused(db: Session<typeof schema>): void {
  // @ts-expect-error -- neither the column nor the row that it refers to
  db.add(orders, { note: "x" });
  // @ts-expect-error -- a related row with a column of another type
  db.add(orders, { customer: { name: 5 } });
  // @ts-expect-error -- many rows are a list
  db.add(orders, { customerId: 1, lines: { sku: "x" } });
  // @ts-expect-error -- no such relation
  db.add(orders, { customerId: 1, friends: [] });
}

const test = entityTests("add()", {
  setup: [
    ...SHOP_SETUP,
    `create table profiles (id serial primary key,
      "customerId" int not null references customers, bio text)`,
    `create table lines (id serial primary key,
      "orderId" int not null references orders, sku text not null)`,
  ],
  schema,
});

test("adds related rows, many and one, before and behind", async ({ db, flights, rows }) => {
  const order = db.add(orders, {
    note: "first",
    customer: { name: "Ada", profile: { bio: "Countess" } },
    lines: [{ sku: "tea" }, { sku: "pot" }],
  });
  await db.commit();
  assertEquals(flights().map((flight) => flight.map(inShort)), [[
    "begin",
    "insert customers",
    "insert profiles",
    "insert orders",
    "insert lines",
    "commit",
  ]]);
  assertEquals(order.lines.map(({ orderId }) => orderId), [order.id, order.id]);
  assertEquals(order.customer.profile.customerId, order.customer.id);
  const [found] = await db.query.customers.findMany({
    with: { orders: { with: { lines: true } }, profile: true },
  });
  assertEquals(found?.profile?.bio, "Countess");
  assertEquals(found?.orders[0]?.lines.map(({ sku }) => sku), ["tea", "pot"]);
  await db.rollback();
  assertEquals(await rows("select note from orders"), [{ note: "first" }]);
});

test("has the related rows in the entity, with their types", async ({ db }) => {
  const ada = db.add(customers, {
    name: "Ada",
    orders: [{ note: "a" }, { note: "b", lines: [{ sku: "tea" }] }],
    profile: { bio: "x" },
  });
  await db.commit();
  const notes: (string | null)[] = ada.orders.map(({ note }) => note);
  assertEquals(notes, ["a", "b"]);
  const bio: string | null = ada.profile.bio;
  assertEquals([bio, ada.profile.customerId], ["x", ada.id]);
  // They are no columns: nothing is written of them later.
  ada.orders.pop();
  assertEquals(db.dirty, []);
});

test("says what is missing in a related row", ({ db }) => {
  const error = assertThrows(
    () => db.add(customers, { name: "Ada", orders: [{ lines: [{}] }] }),
    StateError,
  );
  assertEquals(
    [error.code, error.message],
    [
      "VALUE_MISSING",
      'Cannot add to "lines": column "sku" refuses NULL, has no default, and was left out',
    ],
  );
  return db.rollback();
});

test("refuses what is no list, or no row", ({ db }) => {
  assertThrows(
    () => db.add(customers, { name: "Ada", orders: 5 } as never),
    TypeError,
    'Cannot add "orders": expected a list of rows',
  );
  assertThrows(
    () => db.add(customers, { name: "Ada", profile: 5 } as never),
    TypeError,
    'Cannot add "profile": expected an object of columns',
  );
  return db.rollback();
});

test("refuses an entity of another session, which would be added again", async ({ db, Session }) => {
  await using other = Session();
  const ada = other.add(customers, { name: "Ada" });
  await other.commit();
  const error = assertThrows(
    () => db.add(orders, { note: "x", customer: ada }),
    StateError,
    'Cannot add "customer": the entity of "customers" (key "id") belongs to another session, or was forgotten; load it with get() or find(), or give its row to track()',
  );
  assertEquals([error.code, error.entities], ["ENTITY_UNKNOWN", [ada]]);
  assertEquals(db.new, []);
  const [customer] = db.track(customers, [ada]);
  assert(customer);
  const order = db.add(orders, { customer });
  await db.commit();
  assertEquals(order.customerId, ada.id);
});

test("refers to entities that are there, and adds all or nothing", async ({ db, rows }) => {
  const ada = db.add(customers, { name: "Ada" });
  const order = db.add(orders, { customer: ada, note: "x" });
  db.add(customers, { name: "Bob" });
  // As a parsed body may have them.
  const none = { name: "Bob", orders: undefined, profile: null };
  db.add(customers, none as never);
  await db.commit();
  assertEquals(order.customerId, ada.id);
  const known = await db.get(customers, ada.id);
  assert(known);
  db.add(orders, { customer: known, note: "y" });
  assertThrows(
    () =>
      db.add(customers, { name: "Eve", orders: [{}, { nick: 1 }] } as never),
    TypeError,
    '"nick"',
  );
  assertThrows(
    () => db.add(customers, { name: "Eve", orders: [order] } as never),
    TypeError,
    "it is an entity already",
  );
  assertEquals(db.new.length, 1);
  await db.commit();
  assertEquals(await rows('select "customerId" as id, note from orders'), [
    { id: ada.id, note: "x" },
    { id: ada.id, note: "y" },
  ]);
});
