import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  integer,
  pgTable,
  unique,
} from "drizzle-orm/pg-core";
import {
  ConnectionError,
  IntegrityError,
  mapTable,
  ref,
  StateError,
} from "../../mod.ts";
import { entityTests, inShort } from "./entity_bed.ts";
import { customers, orders, shop, SHOP_SETUP } from "./shop.ts";

const test = entityTests("flush()", { setup: SHOP_SETUP, schema: shop });

test("writes parents, children and COMMIT in one flight", async ({ db, flights }) => {
  const ada = db.add(customers, { name: "Ada" });
  const made = db.addAll(
    orders,
    [1, 2, 3].map((n) => ({ customerId: ref(ada).id, note: `n${n}` })),
  );
  assertEquals(flights(), []);
  await db.commit();
  assertEquals(flights().map((flight) => flight.map(inShort)), [
    ["begin", "insert customers", "insert orders", "commit"],
  ]);
  assertEquals(made.map(({ id, customerId, note }) => [id, customerId, note]), [
    [1, ada.id, "n1"],
    [2, ada.id, "n2"],
    [3, ada.id, "n3"],
  ]);
  assert(ada.createdAt instanceof Date);
});

test("leaves a column alone that is set to undefined, as Drizzle does", async ({ db, rows }) => {
  const ada = db.add(customers, { name: "Ada", age: 36, email: "a@b" });
  await db.commit();
  const input: { name?: string; age?: number; email?: string | null } = {
    email: null,
  };
  const { name, age, email } = input;
  Object.assign(ada, { name, age, email });
  await db.commit();
  const before = "select name, age, email from customers";
  assertEquals(await rows(before), [{ name: "Ada", age: 36, email: null }]);
  // When its row is read, the entity has its values again.
  Object.assign(ada, { name, age });
  assertEquals(db.dirty, []);
  await db.refresh(ada);
  assertEquals([ada.name, ada.age, ada.email], ["Ada", 36, null]);
});

test("writes these statements", async ({ db, flights }) => {
  const ada = db.add(customers, { name: "Ada" });
  db.add(orders, { customerId: ref(ada).id });
  await db.flush();
  const COLUMNS = '"name", "age", "email", "extra", "recommendedBy"';
  const ALL =
    '"id", "name", "age", "email", "extra", "createdAt", "recommendedBy"';
  const prefixed = (prefix: string, list: string) =>
    list.split(", ").map((name) => `${prefix}.${name}`).join(", ");
  const CHECK = (query: string, n: number) =>
    `(select case when count(*) = $${n}::int8 then 0 else ('nullpool:stale:' || $${
      n + 1
    }::text || ':' || count(*))::int4 end from ${query}) = 0`;
  const [[, parents, children] = []] = flights();
  assertEquals(
    parents,
    `with i as (insert into "customers" (${COLUMNS}) select ${
      prefixed("v", COLUMNS)
    } from (select l.ord as nullpool_ord, l.c1 as "name", l.c2 as "age", l.c3 as "email", l.c4 as "extra", l.c5 as "recommendedBy" from (values ($1::text, $2::int4, $3::text, $4::jsonb, $5::int4, 1)) as l(c1, c2, c3, c4, c5, ord)) as v order by v.nullpool_ord returning ${ALL}), k as (select set_config($6, (select json_agg(i."id" order by i."id") from i)::text, true)) select ${
      prefixed("i", ALL)
    } from i cross join k where ${CHECK("i", 7)} order by i."id"`,
  );
  assertEquals(
    children,
    `with i as (insert into "orders" ("customerId", "note") select v."customerId", v."note" from (select l.ord as nullpool_ord, r1.key::int4 as "customerId", l.c2 as "note" from (values ($1::int4, $2::text, 1)) as l(c1, c2, ord) join json_array_elements_text(current_setting($3)::json) with ordinality as r1(key, place) on r1.place = l.c1) as v order by v.nullpool_ord returning "id", "customerId", "note") select i."id", i."customerId", i."note" from i where ${
      CHECK("i", 4)
    } order by i."id"`,
  );
  ada.age = 36;
  await db.flush();
  assertEquals(flights(), [[
    `with v as (select l.ord as nullpool_ord, l.c1 as "n1", l.c2 as "k1" from (values ($1::int4, $2::int4, 1)) as l(c1, c2, ord)), u as (update "customers" as t set "age" = v.n1 from v where t."id" = v.k1 returning v.nullpool_ord, ${
      prefixed("t", ALL)
    }) select ${prefixed("u", ALL)} from u where ${
      CHECK("u", 3)
    } order by u.nullpool_ord`,
  ]]);
  const [order] = await db.find(orders);
  assert(order);
  flights();
  db.remove(order);
  await db.flush();
  assertEquals(flights(), [[
    `with v as (select l.ord as nullpool_ord, l.c1 as "k1" from (values ($1::int4, 1)) as l(c1, ord)), d as (delete from "orders" as t using v where t."id" = v.k1 returning v.nullpool_ord) select 1 where ${
      CHECK("d", 2)
    }`,
  ]]);
});

test("writes many rows as lists, whose text does not tell how many", async ({ db, flights }) => {
  const texts = new Set<string>();
  for (const count of [2, 3]) {
    const names = Array.from({ length: count }, (_, at) => `${count}.${at}`);
    const made = db.addAll(customers, names.map((name) => ({ name })));
    await db.flush();
    for (const customer of made) customer.age = 36;
    await db.flush();
    for (const customer of made) db.remove(customer);
    await db.flush();
    const own = flights().flat().filter((text) => text.includes(" unnest("));
    assertEquals(own.map(inShort), [
      "insert customers",
      "update customers",
      "delete customers",
    ]);
    for (const text of own) texts.add(text);
  }
  assertEquals(texts.size, 3);
  assert(
    [...texts].slice(1).every((text) => text.includes("v as materialized")),
  );
});

test("sends nothing for nothing, and nothing for what was set back", async ({ db, flights }) => {
  await db.flush();
  const ada = db.add(customers, { name: "Ada", extra: { tags: ["a"] } });
  await db.commit();
  flights();
  ada.name = "x";
  ada.name = "Ada";
  ada.extra?.tags.push("b");
  ada.extra?.tags.pop();
  ada.createdAt = new Date(ada.createdAt);
  assertEquals(db.dirty, []);
  await db.flush();
  await db.commit();
  assertEquals(flights(), []);
  assertFalse(db.inTransaction);
});

test("groups updates by what changed, sorted by key", async ({ db, flights }) => {
  const made = db.addAll(
    customers,
    Array.from({ length: 1_000 }, (_, at) => ({ name: `n${at}` })),
  );
  await db.commit();
  flights();
  for (const [at, customer] of made.entries()) {
    if ([900, 7, 400].includes(at)) customer.age = at;
    if (at === 3) customer.name = "other";
  }
  await db.flush();
  const [sent = []] = flights();
  assertEquals(sent.map(inShort), [
    "begin",
    "update customers",
    "update customers",
  ]);
  assertEquals((await db.find(customers, sql`age is not null`)).length, 3);
});

test("pages 100,000 rows, all in one flight", async ({ db, flights, rows }) => {
  const ada = db.add(customers, { name: "Ada" });
  const made = db.addAll(
    orders,
    Array.from({ length: 100_000 }, (_, at) => ({
      customerId: ref(ada).id,
      note: `n${at}`,
    })),
  );
  await db.commit();
  assertEquals(flights().length, 1);
  assertEquals([made[0]?.id, made[99_999]?.id], [1, 100_000]);
  assertEquals(
    await rows(
      `select count(*)::int as wrong from orders where note <> 'n' || (id - 1)`,
    ),
    [{ wrong: 0 }],
  );
});

test("orders rows of a table that refers to itself", async ({ db, flights }) => {
  const first = db.add(customers, { name: "first" });
  const second = db.add(customers, {
    name: "second",
    recommendedBy: ref(first).id,
  });
  const third = db.add(customers, {
    name: "third",
    recommendedBy: ref(second).id,
  });
  await db.commit();
  assertEquals(flights()[0]?.length, 5);
  assertEquals(third.recommendedBy, second.id);
  assertEquals(second.recommendedBy, first.id);
  db.remove(first);
  db.remove(second);
  db.remove(third);
  await db.commit();
  assertEquals(flights()[0]?.map(inShort), [
    "begin",
    "delete customers",
    "commit",
  ]);
});

test("deletes first what stands in the way of a unique value", async ({ db, rows, flights }) => {
  const old = db.add(customers, { name: "old", email: "a@x" });
  const other = db.add(customers, { name: "other" });
  await db.flush();
  db.add(orders, { customerId: old.id });
  await db.commit();
  flights();
  for (const order of await db.find(orders)) db.remove(order);
  db.remove(old);
  db.remove(other);
  db.add(customers, { name: "new", email: "a@x" });
  flights();
  await db.commit();
  assertEquals(flights()[0]?.map(inShort), [
    "begin",
    "delete orders",
    "delete customers",
    "insert customers",
    "delete customers",
    "commit",
  ]);
  assertEquals(await rows("select name from customers"), [{ name: "new" }]);
});

test("hands unique values on along a chain, and refuses a circle by name", async ({ db, rows }) => {
  const [a, b, c] = db.addAll(customers, [
    { name: "a", email: "1" },
    { name: "b", email: "2" },
    { name: "c", email: "3" },
  ]);
  assert(a && b && c);
  await db.commit();
  a.email = "2";
  b.email = "3";
  c.email = "4";
  await db.commit();
  assertEquals(await rows("select email from customers order by id"), [
    { email: "2" },
    { email: "3" },
    { email: "4" },
  ]);
  a.email = "3";
  b.email = "2";
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "FLUSH_CYCLE");
  assertEquals(
    error.message,
    'Cannot flush: rows of "customers" wait for each other by unique constraint "customers_email_unique"; flush in between, or make the constraint deferrable',
  );
  assertEquals(new Set(error.entities), new Set([a, b]));
  // Nothing was sent: it can be put right.
  b.email = "5";
  await db.commit();
  assertEquals(await rows("select email from customers order by id"), [
    { email: "3" },
    { email: "5" },
    { email: "4" },
  ]);
});

test("moves the identity with the key", async ({ db, rows }) => {
  const ada = db.add(customers, { id: 5, name: "Ada" });
  await db.commit();
  ada.id = 6;
  await db.commit();
  assertStrictEquals(await db.get(customers, 6), ada);
  assertEquals(await db.get(customers, 5), undefined);
  ada.id = 7;
  await db.flush();
  await db.rollback();
  assertEquals(ada.id, 6);
  assertStrictEquals(await db.get(customers, 6), ada);
  await db.commit();
  assertEquals(await rows("select id from customers"), [{ id: 6 }]);
});

test("gives a row another key when those have gone that refer to it", async ({ db, rows, flights }) => {
  const [first, second, third] = db.addAll(customers, [
    { id: 1, name: "first" },
    { id: 2, name: "second", recommendedBy: 1 },
    { id: 3, name: "third", recommendedBy: 2 },
  ]);
  assert(first && second && third);
  await db.commit();
  flights();
  third.recommendedBy = null;
  db.remove(second);
  first.id = 4;
  await db.commit();
  assertEquals(flights()[0]?.map(inShort), [
    "begin",
    "update customers",
    "delete customers",
    "update customers",
    "commit",
  ]);
  assertEquals(
    await rows(`select id, "recommendedBy" from customers order by id`),
    [{ id: 3, recommendedBy: null }, { id: 4, recommendedBy: null }],
  );
});

test("takes what only the database knows", async ({ db, rows }) => {
  const ada = db.add(customers, { name: sql`upper(${"ada"})`, age: 3 });
  const error = assertThrows(() => ada.name, StateError);
  assertEquals(error.code, "NOT_FLUSHED");
  await db.commit();
  assertEquals(ada.name, "ADA");
  assertEquals(await rows("select name, age from customers"), [
    { name: "ADA", age: 3 },
  ]);
});

test("fails with the server's word, and asks for rollback()", async ({ db, bed }) => {
  db.addAll(customers, [{ name: "a", email: "x" }, { name: "b", email: "x" }]);
  const error = await assertRejects(() => db.flush(), IntegrityError);
  assertEquals(error.constraint, "customers_email_unique");
  assert(!error.message.includes("x)"));
  const refused = await assertRejects(() => db.commit(), StateError);
  assertEquals([refused.code, refused.cause], ["TRANSACTION_FAILED", error]);
  const { database } = bed;
  await database?.waitFor(async () => await database.openTransactions() === 0);
  await db.rollback();
  assertEquals(db.new, []);
  db.add(customers, { name: "c" });
  await db.commit();
});

test("in a commit leaves the word to what failed first", async ({ db }) => {
  db.add(customers, { name: "Ada", email: "a@b" });
  await db.commit();
  for (const call of ["commit", "flush"] as const) {
    const first = assertRejects(
      () =>
        db.enqueue(
          db.insert(customers).values({ name: "Eve", email: "a@b" }),
        ),
      IntegrityError,
    );
    db.add(customers, { name: "Bob" });
    await assertRejects(() => db[call](), IntegrityError);
    await first;
    assertEquals(db.state, "failed");
    await db.rollback();
  }
});

test("in a commit whose signal has fired leaves the session failed", async ({ Session, rows }) => {
  const abort = new AbortController();
  const db = Session({ signal: abort.signal });
  db.add(customers, { name: "Ada" });
  abort.abort(new Error("gone"));
  await assertRejects(() => db.commit(), ConnectionError);
  assertEquals(db.state, "failed");
  await assertRejects(() => db.execute("select 1"), StateError, "rollback()");
  await db.rollback();
  assertEquals(db.state, "idle");
  await db.close();
  assertEquals(await rows("select 1 from customers"), []);
});

test("in a commit that fails brings nothing back", async ({ db }) => {
  const a = db.add(customers, { name: "a", email: "x" });
  db.add(customers, { name: "b", email: "x" });
  await assertRejects(() => db.commit(), IntegrityError);
  assertThrows(() => a.id, StateError);
  assertEquals(db.state, "failed");
  await db.rollback();
});

test("enqueued queries keep their place", async ({ db, flights, rows }) => {
  const ada = db.add(customers, { name: "Ada", age: 1 });
  const counted = db.enqueue(
    db.update(customers).set({ age: sql`age + 1` }).returning({
      age: customers.age,
    }),
  );
  db.add(customers, { name: "Bob", age: 1 });
  assertEquals(flights(), []);
  await db.commit();
  assertEquals(flights().map((flight) => flight.map(inShort)), [
    [
      "begin",
      "insert customers",
      "update customers",
      "insert customers",
      "commit",
    ],
  ]);
  assertEquals(await counted, [{ age: 2 }]);
  await db.get(customers, ada.id);
  assertEquals(ada.age, 2);
  await db.commit();
  assertEquals(await rows("select age from customers order by id"), [
    { age: 2 },
    { age: 1 },
  ]);
});

test("a nested block is flushed before it is kept", async ({ db, rows }) => {
  db.add(customers, { name: "Ada", email: "x" });
  await assertRejects(
    () =>
      db.transaction((tx) => {
        tx.add(customers, { name: "twin", email: "x" });
        return Promise.resolve();
      }),
    IntegrityError,
  );
  await db.commit();
  assertEquals(await rows("select name from customers"), [{ name: "Ada" }]);
});

const users = pgTable("users", {
  id: integer().primaryKey(),
  teamId: integer().references((): AnyPgColumn => teams.id),
});
const teams = pgTable("teams", {
  id: integer().primaryKey(),
  ownerId: integer().notNull().references(() => users.id),
});
const seats = pgTable("seats", {
  id: integer().primaryKey(),
  number: integer().notNull(),
}, (table) => [unique("seats_number").on(table.number)]);
const circular = entityTests("flush()", {
  setup: [
    'create table users (id int primary key, "teamId" int)',
    'create table teams (id int primary key, "ownerId" int not null references users)',
    'alter table users add foreign key ("teamId") references teams',
    `create table seats (id int primary key, number int not null,
      constraint seats_number unique (number) deferrable initially deferred)`,
  ],
  schema: {},
  tables: [mapTable(seats, { deferrable: ["seats_number"] })],
});

circular(
  "writes rows that refer to each other in two steps",
  async ({ db, flights, rows }) => {
    const ada = db.add(users, { id: 1, teamId: 1 });
    const team = db.add(teams, { id: 1, ownerId: 1 });
    const eve = db.add(users, { id: 2, teamId: 1 });
    await db.commit();
    assertEquals(flights()[0]?.map(inShort), [
      "begin",
      "insert users",
      "insert teams",
      "insert users",
      "update users",
      "commit",
    ]);
    assertEquals([ada.teamId, eve.teamId], [1, 1]);
    assertEquals(await rows('select "teamId" from users'), [
      { teamId: 1 },
      { teamId: 1 },
    ]);
    db.remove(team);
    db.remove(ada);
    eve.teamId = null;
    flights();
    await db.commit();
    assertEquals(flights()[0]?.map(inShort), [
      "begin",
      "update users",
      "delete teams",
      "delete users",
      "commit",
    ]);
    assertEquals(await rows("select * from users"), [{ id: 2, teamId: null }]);
  },
);

circular("lets a deferrable constraint be swapped", async ({ db, rows }) => {
  const [a, b] = db.addAll(seats, [{ id: 1, number: 1 }, { id: 2, number: 2 }]);
  assert(a && b);
  await db.commit();
  [a.number, b.number] = [b.number, a.number];
  await db.commit();
  assertEquals(await rows("select number from seats order by id"), [
    { number: 2 },
    { number: 1 },
  ]);
});
