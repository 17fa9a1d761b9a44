import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { eq, gt, sql } from "drizzle-orm";
import { mapTable, StaleDataError, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";
import { customers, shop, SHOP_SETUP } from "./shop.ts";

const test = entityTests("Session", {
  setup: [
    ...SHOP_SETUP,
    "insert into customers (name, age) values ('Ada', 36), ('Bob', 20)",
  ],
  schema: shop,
});

test("get() asks once in a transaction", async ({ db, flights }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  assertEquals(flights().length, 1);
  assertStrictEquals(await db.get(customers, 1), ada);
  assertEquals(flights(), []);
  assertEquals(await db.get(customers, 99), undefined);
  assertEquals(await db.get(customers, 99), undefined);
  // A row that is not there may be there the next time.
  assertEquals(flights().length, 2);
});

test("find() gives the object that is there, with its changes", async ({ db }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  ada.name = "Ada L.";
  const found = await db.noAutoflush(() =>
    db.find(customers, undefined, { orderBy: customers.id })
  );
  assertStrictEquals(found[0], ada);
  assertEquals(ada.name, "Ada L.");
  assertEquals(found[1]?.name, "Bob");
  assertEquals(
    (await db.find(customers, gt(customers.age, 30))).map(({ id }) => id),
    [1],
  );
  const page = await db.find(customers, undefined, {
    orderBy: [customers.name],
    limit: 1,
    offset: 1,
  });
  assertEquals(page.map(({ name }) => name), ["Bob"]);
});

test("values are those of a transaction, objects those of the session", async ({ db, Session, flights }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  await db.commit();
  await Session.begin((other) =>
    other.update(customers).set({ age: 37 }).where(eq(customers.id, 1))
  );
  flights();
  assertEquals(ada.age, 36);
  assertStrictEquals(await db.get(customers, 1), ada);
  assertEquals(ada.age, 37);
  assertEquals(flights().length, 1);
  await db.rollback();
  await db.get(customers, 1);
  assertEquals(
    flights().flat().filter((text) => /^select/.test(text)).length,
    1,
  );
});

test("begin() with an isolation level reads again", async ({ db, flights }) => {
  await db.get(customers, 1);
  await db.rollback();
  await db.get(customers, 1);
  flights();
  await db.begin({ isolationLevel: "read committed" });
  await db.get(customers, 1);
  assertEquals(flights().length, 1);
});

test("lock always asks, and takes what it finds", async ({ db, flights }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  ada.name = "mine";
  await db.noAutoflush(() => db.get(customers, 1, { lock: "update" }));
  assertEquals(ada.name, "mine");
  const [, locking] = flights();
  assert(locking?.at(-1)?.endsWith("for update"), locking?.join());
  await db.find(customers, eq(customers.id, 2), {
    lock: { strength: "no key update", skipLocked: true },
  });
  assert(
    flights().flat().some((text) =>
      text.endsWith("for no key update skip locked")
    ),
  );
});

test("refresh() reads again", async ({ db, Session }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  await db.commit();
  await Session.begin((other) =>
    other.update(customers).set({ age: 50, name: "A." })
  );
  ada.name = "mine";
  await db.noAutoflush(() => db.refresh(ada));
  assertEquals([ada.age, ada.name], [50, "mine"]);
  await db.rollback();
  await Session.begin((other) =>
    other.delete(customers).where(eq(customers.id, 2))
  );
  const [bob] = db.track(customers, [{ ...ada, id: 2 }]);
  assert(bob);
  await assertRejects(
    () => db.refresh(bob, { lock: "share" }),
    StaleDataError,
    'Cannot refresh "customers" by "id"',
  );
});

test("a read that a flush overtakes brings no old values back", async ({ db, rows }) => {
  const one = await db.get(customers, 1);
  assert(one);
  const reads = [
    () => db.refresh(one),
    () => db.get(customers, 1, { lock: "update" }),
    () => db.find(customers, undefined, { lock: "update" }),
  ];
  for (const [n, read] of reads.entries()) {
    const reading = read();
    one.age = n;
    // It flushes behind the read.
    await Promise.all([reading, db.$count(customers)]);
    assertEquals([one.age, db.dirty], [n, []]);
    one.age += 10;
    await db.commit();
    assertEquals(await rows("select age from customers where id = 1"), [
      { age: n + 10 },
    ]);
  }
});

const besides = entityTests("Session", {
  setup: [
    ...SHOP_SETUP,
    "insert into customers (name, age) values ('Ada', 36)",
  ],
  schema: shop,
  tables: [mapTable(customers, { readBack: "generated" })],
  // With two connections at once.
  drivers: ["postgres", "neon"],
});

besides(
  "a read behind its own flush has what it finds",
  async ({ db, Session }) => {
    const reads = [
      (one: object) => db.refresh(one),
      () => db.get(customers, 1, { lock: "update" }),
      () => db.find(customers, undefined, { lock: "update" }),
    ];
    for (const [n, read] of reads.entries()) {
      const one = await db.get(customers, 1);
      assert(one);
      await Session.begin((other) => other.update(customers).set({ age: n }));
      // The read flushes it, and finds what another one has written.
      one.name = `Ada ${n}`;
      await read(one);
      assertEquals([one.age, one.name], [n, `Ada ${n}`]);
      await db.commit();
    }
  },
);

test("a rollback finds a row again whose key another one had meanwhile", async ({ db }) => {
  const one = await db.get(customers, 1);
  assert(one);
  db.remove(one);
  db.add(customers, { id: 1, name: "Eve" });
  await db.rollback();
  assertStrictEquals(await db.get(customers, 1), one);
  await db.beginNested(async (inner) => {
    inner.remove(one);
    inner.add(customers, { id: 1, name: "Eve" });
    await inner.flush();
    throw new Error("no");
  }).catch(() => {});
  assertStrictEquals(await db.get(customers, 1), one);
});

test("a builder's write has its rows read again, raw SQL all", async ({ db, flights }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  await db.update(customers).set({ age: 1 }).where(eq(customers.id, 1));
  assertEquals(ada.age, 36);
  await db.get(customers, 1);
  assertEquals(ada.age, 1);
  await db.execute(sql`update customers set age = 2`);
  await db.get(customers, 1);
  assertEquals(ada.age, 2);
  flights();
  await db.select().from(customers);
  await db.get(customers, 1);
  assertEquals(flights().length, 1);
});

test("track() takes rows of a select", async ({ db, rows }) => {
  const selected = await db.select().from(customers).orderBy(customers.id);
  const [ada, bob] = db.track(customers, selected);
  assert(ada && bob);
  assertStrictEquals(ada, selected[0]);
  bob.age = 21;
  assertEquals(db.dirty, [bob]);
  await db.commit();
  assertEquals(await rows("select age from customers where id = 2"), [
    { age: 21 },
  ]);
  const again = db.track(customers, [{ ...bob, age: 0 }]);
  assertStrictEquals(again[0], bob);
});

test("merge() copies onto the row, or makes one", async ({ db, rows, flights }) => {
  const source = { id: 1, name: "merged" };
  const ada = await db.merge(customers, source);
  assertEquals([ada.name, ada.age], ["merged", 36]);
  assertEquals(source, { id: 1, name: "merged" });
  const made = await db.merge(customers, { id: 9, name: "Eve" });
  const keyless = await db.merge(customers, { name: "Zoe" });
  flights();
  await db.commit();
  assertEquals([made.id, keyless.id], [9, 3]);
  assertEquals(await rows("select id, name from customers order by id"), [
    { id: 1, name: "merged" },
    { id: 2, name: "Bob" },
    { id: 3, name: "Zoe" },
    { id: 9, name: "Eve" },
  ]);
});

test("rollback() brings everything back", async ({ db, rows }) => {
  const [ada, bob] = await db.find(customers, undefined, {
    orderBy: customers.id,
  });
  assert(ada && bob);
  const eve = db.add(customers, { name: "Eve" });
  ada.name = "changed";
  await db.flush();
  ada.age = 99;
  db.remove(bob);
  await db.flush();
  assertEquals(await db.get(customers, 2), undefined);
  await db.rollback();
  assertEquals([ada.name, ada.age, bob.name], ["Ada", 36, "Bob"]);
  assertEquals([db.new, db.dirty, db.deleted], [[], [], []]);
  assertStrictEquals(await db.get(customers, 2), bob);
  const error = assertThrows(() => db.remove(eve), StateError);
  assertEquals(error.code, "ENTITY_UNKNOWN");
  ada.age = 37;
  await db.commit();
  assertEquals(await rows("select age from customers where id = 1"), [
    { age: 37 },
  ]);
});

test("a savepoint brings back what was when it was opened", async ({ db, rows }) => {
  const [ada, bob] = await db.find(customers, undefined, {
    orderBy: customers.id,
  });
  assert(ada && bob);
  ada.name = "before";
  const eve = db.add(customers, { name: "Eve" });
  await assertRejects(() =>
    db.transaction((tx) => {
      ada.name = "inside";
      bob.age = 0;
      tx.remove(bob);
      tx.add(customers, { name: "Zoe" });
      return Promise.reject(new RangeError("undo"));
    }), RangeError);
  assertEquals([ada.name, bob.age], ["before", 20]);
  const savepoint = await db.beginNested();
  ada.age = 1;
  eve.name = "Eva";
  await db.flush();
  await savepoint.rollback();
  assertEquals([ada.name, ada.age, eve.name], ["before", 36, "Eve"]);
  await db.commit();
  assertEquals(await rows("select name, age from customers order by id"), [
    { name: "before", age: 36 },
    { name: "Bob", age: 20 },
    { name: "Eve", age: null },
  ]);
});

test("expunge() forgets, remove() of a new one too", async ({ db, flights }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  ada.name = "not written";
  db.expunge(ada);
  db.remove(db.add(customers, { name: "never" }));
  flights();
  await db.flush();
  assertEquals(flights(), []);
  const again = await db.get(customers, 1);
  assertEquals(again?.name, "Ada");
  assert(again !== ada);
});
