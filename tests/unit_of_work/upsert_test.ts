import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { relations, type SQL, sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  integer,
  numeric,
  pgEnum,
  pgSchema,
  pgTable,
  primaryKey,
  serial,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import {
  DatabaseError,
  IntegrityError,
  mapTable,
  type OnConflict,
  ref,
  StaleDataError,
  StateError,
} from "../../mod.ts";
import { seeded, testSeed } from "../support/random.ts";
import { entityTests, inShort } from "./entity_bed.ts";

const users = pgTable("users", {
  id: serial().primaryKey(),
  email: text().notNull().unique(),
  name: text().notNull(),
  age: integer(),
  visits: integer().notNull().default(1),
  changed: integer().$onUpdate(() => 7),
});
const posts = pgTable("posts", {
  id: serial().primaryKey(),
  userId: integer("user_id").references(() => users.id).notNull(),
  title: text().notNull(),
});
const items = pgTable("items", {
  id: uuid().primaryKey().$defaultFn(() => crypto.randomUUID()),
  sku: text().notNull().unique(),
  price: integer(),
});
const parts = pgTable("parts", {
  id: serial().primaryKey(),
  itemId: uuid("item_id").references(() => items.id).notNull(),
  name: text().notNull(),
});
const stock = pgTable("stock", {
  warehouse: integer(),
  sku: text(),
  count: integer().notNull(),
}, (table) => [primaryKey({ columns: [table.warehouse, table.sku] })]);
const counters = pgTable("counters", {
  id: serial().primaryKey(),
  name: text().unique(),
  value: integer().notNull(),
  version: integer().notNull().default(1),
});
const tokens = pgTable("tokens", {
  id: serial().primaryKey(),
  name: text().unique(),
  value: integer(),
});
const size = pgEnum("size", ["S", "L"]);
const rewritten = pgTable("rewritten", {
  id: serial().primaryKey(),
  name: text().unique(),
  value: integer(),
});
const sized = pgTable("sized", {
  id: serial().primaryKey(),
  size: size().unique(),
  value: integer(),
});
const exact = pgTable("exact", {
  id: serial().primaryKey(),
  weight: numeric({ precision: 6, scale: 1 }),
  at: timestamp({ precision: 0, mode: "string" }),
  value: integer(),
});
const nodes = pgTable("nodes", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
  next: integer().references((): AnyPgColumn => nodes.id),
});
const owners = pgTable("owners", {
  id: serial().primaryKey(),
  email: text().notNull().unique(),
  code: text().unique().$defaultFn(() => crypto.randomUUID()),
  mark: text().$defaultFn(() => sql`upper('new')`),
});
const pets = pgTable("pets", {
  id: serial().primaryKey(),
  ownerCode: text("owner_code").references(() => owners.code),
});
const badges = pgTable("badges", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull().unique(),
});
const edits = pgTable("edits", {
  id: serial().primaryKey(),
  name: text().unique(),
  count: integer().default(1).$onUpdate((): SQL => sql`${edits.count} + 1`),
  state: text().$default(() => "new").$onUpdate(() => "old"),
  at: timestamp().defaultNow().$onUpdate(() => new Date(0)),
});
const weights = pgTable("weights", {
  id: serial().primaryKey(),
  weight: numeric().unique(),
});
const bare = pgTable("bare", {
  id: serial().primaryKey(),
  name: text(),
  value: integer(),
});
const single = pgTable("single", {
  id: serial().primaryKey(),
  name: text().unique("single_name", { nulls: "not distinct" }),
});
const mails = pgTable("mails", {
  id: serial().primaryKey(),
  address: text().notNull(),
  folded: text().generatedAlwaysAs(sql`lower(address)`).unique(),
});
const moments = pgTable("moments", {
  id: serial().primaryKey(),
  at: timestamp().unique(),
});
const told = pgTable("told", {
  id: serial().primaryKey(),
  n: integer().unique(),
});
const shop = pgSchema("shop").table("Odd Shelf", {
  id: serial().primaryKey(),
  place: text('the "place"').unique(),
  count: integer().notNull(),
});

const schema = {
  users,
  posts,
  items,
  parts,
  userPosts: relations(users, ({ many }) => ({ posts: many(posts) })),
  postUser: relations(posts, ({ one }) => ({
    user: one(users, { fields: [posts.userId], references: [users.id] }),
  })),
  owners,
  pets,
  ownerPets: relations(owners, ({ many }) => ({ pets: many(pets) })),
  petOwner: relations(pets, ({ one }) => ({
    owner: one(owners, {
      fields: [pets.ownerCode],
      references: [owners.code],
    }),
  })),
  itemParts: relations(items, ({ many }) => ({ parts: many(parts) })),
  partItem: relations(parts, ({ one }) => ({
    item: one(items, { fields: [parts.itemId], references: [items.id] }),
  })),
};

const test = entityTests("add() with onConflict", {
  setup: [
    `create table users (id serial primary key, email text not null unique,
      name text not null, age int, visits int not null default 1, changed int)`,
    `create table posts (id serial primary key,
      user_id int not null references users, title text not null)`,
    "create table items (id uuid primary key, sku text not null unique, price int)",
    `create table parts (id serial primary key,
      item_id uuid not null references items, name text not null)`,
    `create table stock (warehouse int, sku text, count int not null,
      primary key (warehouse, sku))`,
    `create table counters (id serial primary key, name text unique,
      value int not null, version int not null default 1)`,
    "create table tokens (id serial primary key, name text unique, value int)",
    "create table rewritten (id serial primary key, name text unique, value int)",
    "create type size as enum ('S', 'L')",
    "create table sized (id serial primary key, size size unique, value int)",
    `create table exact (id serial primary key, weight numeric(6, 1),
      at timestamp(0), value int, unique (weight, at))`,
    `create table nodes (id serial primary key, name text not null unique,
      next int references nodes)`,
    `create table owners (id serial primary key, email text not null unique,
      code text unique, mark text)`,
    "create table pets (id serial primary key, owner_code text references owners (code))",
    `create table badges (id int primary key generated always as identity,
      name text not null unique)`,
    `create table edits (id serial primary key, name text unique,
      count int default 1, state text, at timestamp default now())`,
    "create table weights (id serial primary key, weight numeric unique)",
    "create table bare (id serial primary key, name text unique, value int)",
    `create table single (id serial primary key,
      name text unique nulls not distinct)`,
    `create table mails (id serial primary key, address text not null,
      folded text generated always as (lower(address)) stored unique)`,
    "create table told (id serial primary key, n int unique)",
    "create table moments (id serial primary key, at timestamp unique)",
    "create schema shop",
    `create table shop."Odd Shelf" (id serial primary key,
      "the ""place""" text unique, count int not null)`,
    `insert into users (email, name, age, visits) values
      ('ada@x', 'Ada', 36, 5), ('bob@x', 'Bob', 20, 2)`,
  ],
  schema,
  tables: [
    mapTable(counters, { version: counters.version }),
    mapTable(tokens, { version: "xmin" }),
    mapTable(rewritten, { keys: "trigger" }),
    mapTable(told, { readBack: "none" }),
  ],
});
const byEmail = { onConflict: { target: users.email } };

test("inserts a row, or updates the one that is there, in one flight", async ({ db, flights, rows }) => {
  const ada = db.add(users, { email: "ada@x", name: "Countess" }, byEmail);
  const eve = db.add(users, { email: "eve@x", name: "Eve" }, byEmail);
  const unknown = assertThrows(() => ada.id, StateError);
  assertEquals(unknown.code, "NOT_FLUSHED");
  await db.commit();
  assertEquals(flights().flat().map(inShort), [
    "begin",
    "insert users",
    "commit",
  ]);
  // What nobody has given is as it was.
  assertEquals(ada, {
    id: 1,
    email: "ada@x",
    name: "Countess",
    age: 36,
    visits: 5,
    changed: 7,
  });
  assertEquals([eve.age, eve.visits, eve.changed], [null, 1, 7]);
  assert(eve.id > 2);
  assertEquals(await db.get(users, 1), ada);
  ada.age = 37;
  eve.age = 1;
  await db.commit();
  assertEquals(await rows("select id, age from users order by age"), [
    { id: eve.id, age: 1 },
    { id: 2, age: 20 },
    { id: 1, age: 37 },
  ]);
});

test("gives each of many its own row", async ({ db, flights, rows }) => {
  const count = 500;
  await db.execute(
    `insert into users (email, name) select n || '@x', 'old'
      from generate_series(0, ${count}, 3) n order by n desc`,
  );
  flights();
  const added = db.addAll(
    users,
    Array.from(
      { length: count },
      (_, n) => ({ email: `${n}@x`, name: `new ${n}` }),
    ),
    byEmail,
  );
  await db.commit();
  assertEquals(
    flights().flat().filter((text) => text.includes("on conflict")).length,
    1,
  );
  const stored = await rows(
    "select id, email, name from users where name like 'new%'",
  );
  const byId = new Map(
    stored.map((row) => [Reflect.get(Object(row), "id"), row]),
  );
  assertEquals(byId.size, count);
  for (const { id, email, name } of added) {
    assertEquals(byId.get(id), { id, email, name });
  }
});

test("locks rows in one order, whoever adds them in which", async ({ db }) => {
  const emails = ["c@x", "a@x", "d@x", "b@x"];
  const added = db.addAll(
    users,
    emails.map((email) => ({ email, name: "new" })),
    byEmail,
  );
  await db.commit();
  assertEquals(
    added.toSorted((a, b) => a.id - b.id).map(({ email }) => email),
    emails.toSorted(),
  );
  // Of one second, whose text is one and the same.
  const times = [3, 1, 4, 2];
  const within = db.addAll(
    moments,
    times.map((time) => ({ at: new Date(time) })),
    { onConflict: { target: moments.at } },
  );
  await db.commit();
  assertEquals(
    within.toSorted((a, b) => a.id - b.id).map(({ at }) => at?.getTime()),
    times.toSorted(),
  );
});

test("sets what it is told to, and nothing else", async ({ db, rows }) => {
  const add = (set: NonNullable<OnConflict<typeof users>["set"]>) =>
    db.add(users, { email: "bob@x", name: "Robert", age: 99 }, {
      onConflict: { target: [users.email], set },
    });
  let bob = add({ age: sql`${users.age} + excluded.age` });
  await db.flush();
  assertEquals([bob.name, bob.age, bob.changed], ["Bob", 119, 7]);
  db.expunge(bob);
  bob = add({ age: null, name: 'Rob\'s "$1"' });
  await db.flush();
  assertEquals([bob.name, bob.age], ['Rob\'s "$1"', null]);
  db.expunge(bob);
  bob = add({});
  await db.commit();
  assertEquals([bob.id, bob.name, bob.age], [2, 'Rob\'s "$1"', null]);
  assertEquals((await rows("select from users")).length, 2);
});

test("gives a row another value than it was known by", async ({ db, rows }) => {
  const added = db.addAll(
    users,
    ["ada@x", "bob@x", "eve@x"].map((email) => ({ email, name: "new" })),
    {
      onConflict: {
        target: users.email,
        set: { email: sql`'old.' || excluded.email` },
      },
    },
  );
  await db.commit();
  assertEquals(added.map(({ email }) => email), [
    "old.ada@x",
    "old.bob@x",
    "eve@x",
  ]);
  assertEquals(
    await rows("select email, name from users order by id"),
    added.map(({ email, name }) => ({ email, name })),
  );
});

test("gives a row that is there what functions of the schema make for updates", async ({ db, flights }) => {
  const onConflict = { target: edits.name };
  const edited = async (
    given: { state?: string },
    options: { onConflict: OnConflict<typeof edits> },
  ) => {
    const rows = ["a", "b"].map((name) => ({ name, ...given }));
    const added = rows.map((row) => db.add(edits, row, options));
    await db.flush();
    for (const entity of added) db.expunge(entity);
    return added.map(({ count, state, at }) => [
      count,
      state,
      at?.getTime() === 0,
    ]);
  };
  assertEquals(await edited({}, { onConflict }), [
    [1, "new", false],
    [1, "new", false],
  ]);
  flights();
  assertEquals(await edited({}, { onConflict }), [
    [2, "old", true],
    [2, "old", true],
  ]);
  assertEquals(flights().flat().map(inShort), ["insert edits"]);
  assertEquals(await edited({ state: "given" }, { onConflict }), [
    [3, "given", true],
    [3, "given", true],
  ]);
  // As Drizzle: what is set is all that was given.
  const set = { count: 9 };
  assertEquals(
    await edited({ state: "lost" }, { onConflict: { ...onConflict, set } }),
    [[9, "old", true], [9, "old", true]],
  );
});

test("takes what was assigned since, and leaves what nobody has given", async ({ db, rows }) => {
  const ada = db.add(users, { email: "ada@x", name: "Ada" }, byEmail);
  ada.visits = 9;
  const bob = db.add(
    users,
    { email: "bob@x", name: "Bob", age: null },
    byEmail,
  );
  await db.commit();
  assertEquals([ada.age, ada.visits, bob.age, bob.visits], [36, 9, null, 2]);
  assertEquals(await rows("select age, visits from users order by id"), [
    { age: 36, visits: 9 },
    { age: null, visits: 2 },
  ]);
});

test("knows rows by a primary key of several columns", async ({ db, Session, rows }) => {
  const options = {
    onConflict: {
      target: [stock.warehouse, stock.sku],
      set: { count: sql`${stock.count} + excluded.count` },
    },
  };
  const rowsOf = (count: number) =>
    ["a", "b", "c"].map((sku) => ({ warehouse: 1, sku, count }));
  await Session.begin(async (other) => {
    other.addAll(stock, rowsOf(1), options);
    await other.flush();
  });
  const added = db.addAll(stock, [
    ...rowsOf(2),
    { warehouse: 2, sku: "a", count: 4 },
  ], options);
  await db.commit();
  assertEquals(added.map(({ count }) => count), [3, 3, 3, 4]);
  // They are entities of the session by now.
  const twin = assertThrows(
    () => db.add(stock, { warehouse: 2, sku: "a", count: 1 }, options),
    StateError,
  );
  assertEquals(twin.code, "ENTITY_DUPLICATE");
  assertEquals(
    await rows("select warehouse, sku, count from stock order by 1, 2"),
    added,
  );
});

test("has the key of the row that is there, made ahead or not, and so have its children", async ({ db, Session, rows }) => {
  const id = crypto.randomUUID();
  await Session.begin(async (other) => {
    await other.insert(items).values({ id, sku: "MUG", price: 1 });
  });
  const bySku = { onConflict: { target: items.sku } };
  const mug = db.add(items, {
    sku: "MUG",
    price: 2,
    parts: [{ name: "handle" }],
  }, bySku);
  const own = crypto.randomUUID();
  const cup = db.add(
    items,
    { id: own, sku: "CUP", parts: [{ name: "rim" }] },
    bySku,
  );
  const part = db.add(parts, { itemId: ref(mug).id, name: "bottom" });
  assertThrows(() => mug.id, StateError);
  await db.commit();
  assertEquals([mug.id, cup.id, part.itemId], [id, own, id]);
  assertEquals(mug.parts[0]?.itemId, id);
  assertEquals(await rows("select item_id from parts where name <> 'rim'"), [
    { item_id: id },
    { item_id: id },
  ]);
  const known = await db.get(items, id);
  assert(known === mug);
});

test("makes one statement of rows whose keys are made ahead", async ({ db, Session, flights, rows }) => {
  const ids = [crypto.randomUUID(), crypto.randomUUID()];
  await Session.begin((other) =>
    other.insert(items).values(ids.map((id, at) => ({ id, sku: `${at}` })))
  );
  flights();
  const added = db.addAll(
    items,
    ["3", "1", "2", "0"].map((sku) => ({ sku, price: 1 })),
    { onConflict: { target: items.sku } },
  );
  await db.commit();
  assertEquals(flights().flat().map(inShort), [
    "begin",
    "insert items",
    "commit",
  ]);
  assertEquals([added[3]?.id, added[1]?.id], ids);
  assertEquals(
    await rows("select id, sku, price from items order by sku"),
    added.toSorted((a, b) => Number(a.sku) - Number(b.sku)),
  );
});

test("leaves what a function of the schema makes to the row, and refers to it", async ({ db, Session, rows }) => {
  await Session.begin((other) =>
    other.insert(owners).values({ email: "a@x", code: "old", mark: "own" })
  );
  const ada = db.add(owners, { email: "a@x", pets: [{}] }, {
    onConflict: { target: owners.email },
  });
  const unknown = assertThrows(() => ada.code, StateError);
  assertEquals(unknown.code, "NOT_FLUSHED");
  const bob = db.add(owners, { email: "b@x" }, {
    onConflict: { target: owners.email },
  });
  const pet = db.add(pets, { ownerCode: ref(bob).code });
  await db.commit();
  assertEquals([ada.code, ada.mark, ada.pets[0]?.ownerCode], [
    "old",
    "own",
    "old",
  ]);
  assertEquals([bob.mark, pet.ownerCode], ["NEW", bob.code]);
  const code = "other";
  db.expunge(ada);
  const same = db.add(owners, { email: "a@x", code, pets: [{}] }, {
    onConflict: { target: owners.email, set: { mark: "set" } },
  });
  await db.commit();
  assertEquals([same.code, same.mark], ["old", "set"]);
  assertEquals(await rows("select owner_code from pets order by id"), [
    { owner_code: "old" },
    { owner_code: bob.code },
    { owner_code: "old" },
  ]);
});

test("gives a key that else the database alone makes", async ({ db, rows }) => {
  // Drizzle's types leave such a column out.
  const given: { name: string } = Object.assign({ name: "a" }, { id: 5 });
  for (const _ of [1, 2]) {
    const badge = db.add(badges, given, {
      onConflict: { target: badges.name },
    });
    await db.flush();
    assertEquals(badge, { id: 5, name: "a" });
    db.expunge(badge);
  }
  await db.commit();
  assertEquals(await rows("select id, name from badges"), [
    { id: 5, name: "a" },
  ]);
});

test("leaves a row as it is where nothing is to be set", async ({ db, rows }) => {
  const given: { name: string } = Object.assign({ name: "a" }, { id: 5 });
  const badge = db.add(badges, given);
  await db.commit();
  db.expunge(badge);
  const found = db.add(badges, { ...given, name: "b" }, {
    onConflict: { target: badges.id, set: {} },
  });
  const weighed = async (weight: string) => {
    const entity = db.add(weights, { weight }, {
      onConflict: { target: weights.weight },
    });
    await db.flush();
    db.expunge(entity);
    return entity.weight;
  };
  assertEquals([await weighed("1.0"), await weighed("1.000")], ["1.0", "1.0"]);
  await db.commit();
  assertEquals(found, { id: 5, name: "a" });
  assertEquals(await rows("select weight from weights"), [{ weight: "1.0" }]);
});

test("is of the row itself, and not of those that are nested in it", async ({ db, rows }) => {
  const ada = db.add(users, {
    email: "ada@x",
    name: "Ada",
    posts: [{ title: "one" }, { title: "two" }],
  }, byEmail);
  await db.commit();
  assertEquals(ada.posts.map(({ userId }) => userId), [1, 1]);
  const post = db.add(posts, {
    id: 7,
    title: "three",
    user: { email: "bob@x", name: "New" },
  }, { onConflict: { target: posts.id } });
  const error = await assertRejects(() => db.flush(), IntegrityError);
  assertEquals(error.constraint, "users_email_key");
  await db.rollback();
  assertEquals(post.title, "three");
  assertEquals(await rows("select title from posts order by id"), [
    { title: "one" },
    { title: "two" },
  ]);
});

test("counts versions", async ({ db, Session, rows }) => {
  await Session.begin(async (other) => {
    await other.insert(counters).values({ name: "a", value: 1, version: 4 });
    await other.insert(tokens).values({ name: "a", value: 1 });
  });
  const counter = db.add(counters, { name: "a", value: 2 }, {
    onConflict: { target: counters.name },
  });
  const fresh = db.add(counters, { name: "b", value: 2 }, {
    onConflict: { target: counters.name },
  });
  const token = db.add(tokens, { name: "a", value: 2 }, {
    onConflict: { target: tokens.name },
  });
  await db.commit();
  assertEquals([counter.version, fresh.version], [5, 1]);
  counter.value = token.value = 3;
  await db.commit();
  assertEquals(
    await rows("select value, version from counters order by name"),
    [
      { value: 3, version: 6 },
      { value: 2, version: 1 },
    ],
  );
  await Session.begin((other) => other.update(tokens).set({ value: 4 }));
  token.value = 5;
  await assertRejects(() => db.commit(), StaleDataError);
});

test("knows rows by values as their columns have them", async ({ db, rows }) => {
  const moments = [
    { weight: "1.25", at: "2026-01-01 00:00:00.4" },
    { weight: "1.30", at: "2026-01-01 00:00:01" },
  ];
  const ids: number[][] = [];
  for (const value of [1, 2]) {
    const added = [
      ...db.addAll(exact, moments.map((row) => ({ ...row, value })), {
        onConflict: { target: [exact.weight, exact.at] },
      }),
      // Its type has no list: rows travel as JSON.
      ...db.addAll(
        sized,
        (["S", "L"] as const).map((size) => ({ size, value })),
        { onConflict: { target: sized.size } },
      ),
    ];
    await db.flush();
    ids.push(added.map(({ id }) => id));
    added.forEach((entity) => db.expunge(entity));
  }
  await db.commit();
  assertEquals(ids[0], ids[1]);
  for (const table of ["exact", "sized"]) {
    assertEquals(
      await rows(`select value from ${table}`),
      [{ value: 2 }, { value: 2 }],
    );
  }
});

test("inserts where NULL is the value: it equals none", async ({ db, rows }) => {
  const options = { onConflict: { target: tokens.name } };
  const added = db.addAll(
    tokens,
    [{ name: null, value: 1 }, { name: null, value: 2 }, {
      name: "x",
      value: 3,
    }],
    options,
  );
  await db.commit();
  assertEquals(new Set(added.map(({ id }) => id)).size, 3);
  const stored = await rows(
    "select id, name, value from tokens order by value",
  );
  assertEquals(
    stored,
    added.map(({ id, name, value }) => ({ id, name, value })),
  );
});

test("knows rows by a column that the database generates", async ({ db, rows }) => {
  const onConflict = { target: mails.folded };
  const ids: number[][] = [];
  for (const address of ["A@x", "a@X"]) {
    const added = db.addAll(
      mails,
      [{ address }, { address: `b${address}` }],
      { onConflict },
    );
    await db.flush();
    ids.push(added.map(({ id }) => id));
    for (const entity of added) db.expunge(entity);
  }
  await db.commit();
  assertEquals(ids[0], ids[1]);
  assertEquals(await rows("select address, folded from mails order by id"), [
    { address: "a@X", folded: "a@x" },
    { address: "ba@X", folded: "ba@x" },
  ]);
});

test("takes SQL for what a row is known by", async ({ db }) => {
  const ada = db.add(
    users,
    { email: sql`lower(${"ADA@X"})`, name: "A" },
    byEmail,
  );
  const bob = db.add(
    users,
    { email: sql`lower(${"BOB@X"})`, name: "B" },
    byEmail,
  );
  await db.commit();
  assertEquals([ada.id, ada.email, bob.id, bob.email], [
    1,
    "ada@x",
    2,
    "bob@x",
  ]);
});

test("needs to know of a trigger that changes what rows are known by", async ({ db, rows }) => {
  await db.execute(`create function lowered() returns trigger language plpgsql
    as 'begin new.name := lower(new.name); return new; end'`);
  for (const table of ["tokens", "rewritten"]) {
    await db.execute(`create trigger lowered before insert on ${table}
      for each row execute function lowered()`);
  }
  await db.commit();
  db.add(tokens, { name: "A" }, { onConflict: { target: tokens.name } });
  const error = await assertRejects(() => db.commit(), StateError);
  assertEquals(error.code, "ROW_NOT_RETURNED");
  await db.rollback();
  const options = { onConflict: { target: rewritten.name } };
  for (const value of [1, 2]) {
    const added = db.addAll(
      rewritten,
      [{ name: "A", value }, { name: "B", value }],
      options,
    );
    await db.flush();
    assertEquals(added.map(({ name, value }) => [name, value]), [
      ["a", value],
      ["b", value],
    ]);
    for (const entity of added) db.expunge(entity);
  }
  await db.commit();
  assertEquals((await rows("select from rewritten")).length, 2);
});

test("refers to itself, and in circles", async ({ db, Session, rows }) => {
  await Session.begin((other) => other.insert(nodes).values({ name: "a" }));
  const options = { onConflict: { target: nodes.name } };
  const a = db.add(nodes, { name: "a" }, options);
  const b = db.add(nodes, { name: "b", next: ref(a).id }, options);
  const c = db.add(nodes, { name: "c", next: ref(b).id }, options);
  await db.commit();
  a.next = c.id;
  await db.commit();
  assertEquals(
    await rows(
      "select a.name, b.name as next from nodes a join nodes b on a.next = b.id order by a.name",
    ),
    [{ name: "a", next: "c" }, { name: "b", next: "a" }, {
      name: "c",
      next: "b",
    }],
  );
});

test("quotes names, and finds a table of another schema", async ({ db, rows }) => {
  const options = {
    onConflict: {
      target: shop.place,
      set: { count: sql`${shop.count} * 10 + excluded.count` },
    },
  };
  for (const count of [1, 2]) {
    const shelf = db.add(shop, { place: "left", count }, options);
    await db.flush();
    db.expunge(shelf);
  }
  await db.commit();
  assertEquals(await rows(`select count from shop."Odd Shelf"`), [{
    count: 12,
  }]);
});

test("refuses a row that the session has an entity of, before anything is sent", async ({ db, flights, rows }) => {
  const ada = await db.get(users, 1);
  assert(ada);
  const other = db.add(users, { email: "ada@x", name: "Twin" }, byEmail);
  flights();
  const error = await assertRejects(() => db.commit(), StateError, '"email"');
  assertEquals([error.code, error.entities], ["ENTITY_DUPLICATE", [
    ada,
    other,
  ]]);
  assertEquals(flights(), []);
  db.expunge(other);
  const twins = db.addAll(
    users,
    [{ email: "t@x", name: "1" }, { email: "t@x", name: "2" }],
    byEmail,
  );
  assertEquals(
    (await assertRejects(() => db.flush(), StateError)).entities,
    twins,
  );
  for (const twin of twins) db.expunge(twin);
  // One that leaves the value, or goes, is in nobody's way.
  ada.email = "countess@x";
  const next = db.add(users, { email: "ada@x", name: "Next" }, byEmail);
  const bob = await db.noAutoflush(() => db.get(users, 2));
  assert(bob);
  db.remove(bob);
  db.add(users, { email: "bob@x", name: "Bobby" }, byEmail);
  await db.commit();
  assertNotEquals(next.id, 1);
  assertEquals(await rows("select name from users order by id"), [
    { name: "Ada" },
    ...await rows("select name from users where id > 2 order by id"),
  ]);
  assertEquals((await rows("select from users")).length, 3);
});

test("comes behind who leaves its row, though the schema does not say that it is unique", async ({ db, rows }) => {
  const onConflict = { target: bare.name };
  const a = db.add(bare, { name: "a" });
  await db.flush();
  db.remove(a);
  const next = db.add(bare, { name: "a", value: 2 }, { onConflict });
  await db.commit();
  assertNotEquals(next.id, a.id);
  assertEquals(await rows("select * from bare"), [next]);
});

test("hears from the database of a row that the session has an entity of", async ({ db, rows }) => {
  const onConflict = { target: weights.weight };
  const weight = db.add(weights, { weight: "1.0" });
  await db.flush();
  const other = db.add(weights, { weight: "1.00" }, { onConflict });
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals([error.code, error.entities], ["ENTITY_DUPLICATE", [
    weight,
    other,
  ]]);
  await db.rollback();
  assertEquals(await rows("select from weights"), []);
});

test("refuses NULL twice, where it equals itself", async ({ db, flights }) => {
  const options = { onConflict: { target: single.name } };
  const twins = db.addAll(single, [{ name: null }, { name: null }], options);
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals([error.code, error.entities], ["ENTITY_DUPLICATE", twins]);
  assertEquals(flights(), []);
  for (const twin of twins) db.expunge(twin);
  const ids = new Set<number>();
  for (const _ of [1, 2]) {
    const one = db.add(single, { name: null }, options);
    await db.flush();
    ids.add(one.id);
    db.expunge(one);
  }
  assertEquals(ids.size, 1);
});

test("is undone with its transaction", async ({ db, rows }) => {
  const ada = db.add(users, { email: "ada@x", name: "Gone" }, byEmail);
  await db.flush();
  assertEquals(ada.id, 1);
  await db.rollback();
  const again = await db.get(users, 1);
  assert(again !== undefined && again !== ada);
  assertEquals(again.name, "Ada");
  await assertRejects(() =>
    db.beginNested(async (tx) => {
      tx.add(users, { email: "bob@x", name: "Gone" }, byEmail);
      await tx.flush();
      throw new Error("undo");
    })
  );
  await db.commit();
  assertEquals(await rows("select name from users order by id"), [
    { name: "Ada" },
    { name: "Bob" },
  ]);
});

test("holds what it was given, and no more, when its flight has failed", async ({ db }) => {
  const ada = db.add(users, { email: "ada@x", name: "Ada", age: 4 }, {
    onConflict: {
      target: users.email,
      set: { age: sql`${users.age} + excluded.age` },
    },
  });
  db.add(posts, { userId: 99, title: "of nobody" });
  await assertRejects(() => db.commit(), IntegrityError);
  await db.rollback();
  assertEquals([ada.name, ada.age], ["Ada", 4]);
  for (const key of ["id", "visits"] as const) {
    const unknown = assertThrows(() => ada[key], StateError);
    assertEquals(unknown.code, "NOT_FLUSHED");
  }
});

test("says what is wrong with what it was asked", async ({ db }) => {
  const values = { email: "ada@x", name: "Ada" };
  const wrong: [unknown, string][] = [
    [{ onConflict: { target: posts.title } }, '"target"'],
    [{ onConflict: { target: [] } }, '"target"'],
    [{ onConflict: { target: "email" } }, '"target"'],
    [{ onConflict: {} }, '"target"'],
    [{ onConflict: { target: users.email, set: { nmae: "x" } } }, '"nmae"'],
    [{ onConflict: { target: users.email, where: 1 } }, '"where"'],
    [{ onconflict: { target: users.email } }, '"onconflict"'],
  ];
  for (const [options, name] of wrong) {
    assertThrows(
      () => db.add(users, values, options as object),
      TypeError,
      name,
    );
    assertThrows(
      () => db.addAll(users, [values], options as object),
      TypeError,
      name,
    );
  }
  const set = {
    age: ref(db.add(users, { email: "r@x", name: "R" })).age as never,
  };
  assertThrows(
    () => db.add(users, values, { onConflict: { target: users.email, set } }),
    TypeError,
    '"age"',
  );
  const left = assertThrows(
    () => db.add(users, values, { onConflict: { target: users.visits } }),
    StateError,
    '"visits"',
  );
  assertEquals(left.code, "VALUE_MISSING");
  assertThrows(
    () => db.add(told, { n: 1 }, { onConflict: { target: told.n } }),
    TypeError,
    "readBack",
  );
  assertEquals(db.new.length, 1);
  await db.rollback();
  // No constraint says so: only the database knows them all.
  db.add(users, values, { onConflict: { target: users.name } });
  const error = await assertRejects(() => db.flush(), DatabaseError);
  assertEquals(error.sqlstate, "42P10");
});

test("does at random what the database does", async ({ db, rows }) => {
  const random = seeded(testSeed());
  const model = new Map<string, { age: number | null; visits: number }>();
  await db.execute("delete from users");
  for (let round = 0; round < 12; round++) {
    const picked = new Set(
      Array.from({ length: 1 + random(9) }, () => random(15)),
    );
    const added = [...picked].map((n) => {
      const email = `${n}@x`;
      const given = random(2) === 0 ? { age: random(90) } : {};
      const sets = random(3) === 0
        ? { set: { visits: sql`${users.visits} + 1` } }
        : {};
      const present = model.get(email);
      const next = present === undefined
        ? { age: given.age ?? null, visits: 1 }
        : "set" in sets
        ? { ...present, visits: present.visits + 1 }
        : { ...present, ...given };
      model.set(email, next);
      return db.add(users, { email, name: `n${n}`, ...given }, {
        onConflict: { target: users.email, ...sets },
      });
    });
    await (random(2) === 0 ? db.flush() : db.commit());
    for (const { email, age, visits } of added) {
      assertEquals({ age, visits }, model.get(email));
    }
    for (const entity of added) db.expunge(entity);
  }
  await db.commit();
  const stored = await rows("select email, age, visits from users");
  assertEquals(
    new Map(stored.map((row) => {
      const { email, ...rest } = Object(row);
      return [email, rest];
    })),
    model,
  );
});
