import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import { alias, pgTable, text } from "drizzle-orm/pg-core";
import { ref, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";
import { customers, orders, shop, SHOP_SETUP } from "./shop.ts";

const keyless = pgTable("keyless", { line: text() });

const test = entityTests("Session", {
  setup: [
    ...SHOP_SETUP,
    "create table keyless (line text)",
    "insert into customers (name) values ('Ada')",
  ],
  schema: shop,
  drivers: ["pglite", "postgres"],
});

function assertRefuses(
  run: () => unknown,
  code: string,
  message: string,
): StateError {
  const error = assertThrows(run, StateError, message);
  assertEquals(error.code, code);
  return error;
}

test("refuses an entity of another session", async ({ db, Session }) => {
  await using other = Session();
  const ada = await other.get(customers, 1);
  assert(ada);
  for (const call of ["remove", "expunge"] as const) {
    const error = assertRefuses(
      () => db[call](ada),
      "ENTITY_UNKNOWN",
      `Cannot ${call}: the entity of "customers" (key "id") belongs to another session, or was forgotten`,
    );
    assertEquals(error.entities, [ada]);
    assert(!JSON.stringify(error).includes("Ada"));
  }
  const error = await assertRejects(() => db.refresh(ada), StateError);
  assertEquals(error.code, "ENTITY_UNKNOWN");
});

test("refuses an alias, which is no table", async ({ db }) => {
  const buyers = alias(customers, "buyers");
  const message = '"buyers" is an alias; give it the table itself';
  assertThrows(() => db.add(buyers, { name: "x" }), TypeError, message);
  assertThrows(() => db.track(buyers, []), TypeError, message);
  await assertRejects(() => db.get(buyers, 1), TypeError, message);
  await assertRejects(() => db.find(buyers), TypeError, message);
  const [ada] = await db.select().from(buyers);
  assertEquals(ada?.name, "Ada");
});

test("refuses a ref to what was never added, or forgotten", async ({ db }) => {
  assertRefuses(
    () => db.add(orders, { customerId: ref({ id: 1 }).id }),
    "ENTITY_UNKNOWN",
    'Cannot use a ref for "orders"."customerId"',
  );
  const gone = db.add(customers, { name: "x" });
  db.add(orders, { customerId: ref(gone).id });
  db.expunge(gone);
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals([error.code, error.entities], ["ENTITY_UNKNOWN", [gone]]);
  await db.rollback();
  const ada = db.add(customers, { name: "y" });
  assertThrows(
    () =>
      db.add(orders, {
        customerId: (ref(ada) as never as { nothing: never }).nothing,
      }),
    TypeError,
    'no column "nothing"',
  );
});

test("says what was given in place of an entity", async ({ db }) => {
  for (const given of [undefined, null, 5]) {
    assertThrows(
      () => ref(given as never),
      TypeError,
      "Cannot make a reference: expected an entity",
    );
    assertThrows(
      () => db.remove(given as never),
      TypeError,
      "Cannot remove: expected an entity",
    );
  }
  const ada = db.get(customers, 1);
  const all = db.find(customers);
  assertRefuses(
    () => db.remove(ada),
    "ENTITY_UNKNOWN",
    "Cannot remove: a promise is no entity; await it",
  );
  assertRefuses(
    () => db.add(orders, { customerId: (ref(ada) as never as { id: 1 }).id }),
    "ENTITY_UNKNOWN",
    'Cannot use a ref for "orders"."customerId": a promise is no entity; await it',
  );
  const found = await all;
  assertRefuses(
    () => db.remove(found),
    "ENTITY_UNKNOWN",
    "Cannot remove: a list is no entity; give its entities one by one",
  );
  await ada;
});

test("refuses SQL and references as properties, which would be written as text", async ({ db, rows }) => {
  const ada = await db.get(customers, 1);
  const bob = db.add(customers, { name: "Bob" });
  assert(ada);
  await db.flush();
  for (const entity of [ada, bob, db.add(customers, { name: "x" })]) {
    const { name, extra } = entity;
    for (const value of [sql`upper(name)`, ref(bob).email, customers.email]) {
      for (const change of [{ name: value }, { extra: value }]) {
        // TypeScript lets it pass.
        Object.assign(entity, change);
        await assertRejects(
          () => db.flush(),
          TypeError,
          `Cannot write column "${
            Object.keys(change)[0]
          }": it was set to SQL, or to a reference; give that to add(), or enqueue() an update of Drizzle's`,
        );
        Object.assign(entity, { name, extra });
      }
    }
  }
  await db.commit();
  assertEquals(await rows("select name, extra from customers order by id"), [
    { name: "Ada", extra: null },
    { name: "Bob", extra: null },
    { name: "x", extra: null },
  ]);
});

test("refuses a table without a key", async ({ db }) => {
  assertRefuses(
    () => db.add(keyless, { line: "secret" }),
    "NO_PRIMARY_KEY",
    'Cannot add to "keyless": it has no primary key',
  );
  assertRefuses(
    () => db.track(keyless, [{ line: "secret" }]),
    "NO_PRIMARY_KEY",
    "Cannot track rows of",
  );
  const error = await assertRejects(() => db.get(keyless, {}), StateError);
  assertEquals(error.code, "NO_PRIMARY_KEY");
});

test("refuses a removed entity that is changed, or read again", async ({ db }) => {
  const ada = await db.get(customers, 1);
  assert(ada);
  ada.age = 1;
  db.remove(ada);
  db.remove(ada);
  await assertRejects(() => db.refresh(ada), StateError, "was removed");
  ada.name = "secret";
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals(
    [error.code, error.message, error.entities],
    [
      "ENTITY_REMOVED",
      'Cannot flush: the entity of "customers" (key "id") was removed; change it before, or leave it in',
      [ada],
    ],
  );
  ada.name = "Ada";
  await db.commit();
});

test("refuses two entities with one key", async ({ db }) => {
  const ada = await db.get(customers, 1);
  const error = assertRefuses(
    () => db.add(customers, { id: 1, name: "secret" }),
    "ENTITY_DUPLICATE",
    'Cannot add: the session has another entity of "customers" (key "id") with the same key',
  );
  assertEquals(error.entities[0], ada);
  const made = db.add(customers, { name: "x" });
  made.id = 1;
  const late = await assertRejects(() => db.flush(), StateError);
  assertEquals(late.code, "ENTITY_DUPLICATE");
  // Not where the other one goes.
  assert(ada);
  db.remove(ada);
  await db.commit();
  assertEquals((await db.find(customers)).map(({ name }) => name), ["x"]);
});

test("refuses keys with a part that is none", async ({ db }) => {
  await assertRejects(
    () => db.get(customers, NaN),
    TypeError,
    'Cannot get from "customers": part "id" of the key is NaN',
  );
  await assertRejects(
    () => db.get(customers, undefined as never),
    TypeError,
    'part "id" of the key is missing',
  );
  await assertRejects(
    () => db.get(customers, { id: 1 } as never),
    TypeError,
    'Cannot get from "customers": expected the value of "id", not an object with it',
  );
  assertThrows(
    () => db.track(customers, [{ name: "x" } as never]),
    TypeError,
    'lacks its key column "id"',
  );
  assertThrows(
    () => db.add(customers, { id: NaN, name: "x" }),
    TypeError,
    '"id" is NaN',
  );
  assertEquals(db.new, []);
});

test("refuses a missing value, and a table that is none", ({ db }) => {
  assertRefuses(
    () => db.add(customers, {} as never),
    "VALUE_MISSING",
    'Cannot add to "customers": column "name" refuses NULL',
  );
  assertThrows(
    () => db.add({} as never, {} as never),
    TypeError,
    "expected a table made by pgTable()",
  );
  return Promise.resolve();
});

test("is dead with its block, and its session", async ({ db, Session }) => {
  let kept: Parameters<Parameters<typeof db.transaction>[0]>[0] | undefined;
  await db.transaction((tx) => {
    kept = tx;
    tx.add(customers, { name: "x" });
    assertThrows(() => db.add(customers, { name: "y" }), StateError, "nested");
    return Promise.resolve();
  });
  assertThrows(() => kept?.add(customers, { name: "z" }), StateError, "ended");
  const other = Session();
  await other.close();
  assertThrows(() => other.add(customers, { name: "z" }), StateError, "closed");
  await using idle = Session({ autobegin: false });
  assertThrows(() => idle.add(customers, { name: "z" }), StateError, "begin()");
  await using auto = Session({ transaction: { isolationLevel: "autocommit" } });
  auto.add(customers, { name: "z" });
  await assertRejects(() => auto.flush(), StateError, "autocommit");
});

test("says what a read-only transaction refuses", async ({ db }) => {
  await db.begin({ readOnly: true });
  db.add(customers, { name: "x" });
  await assertRejects(() => db.commit(), Error, "25006");
  await db.rollback();
  assertEquals(db.new, []);
});

test("refuses to flush while a statement runs", async ({ db }) => {
  db.add(customers, { name: "x" });
  const running = db.execute("select 1").then(() => {});
  const error = await assertRejects(() => db.flush(), StateError);
  assertEquals(error.code, "SESSION_BUSY");
  await running;
  await db.flush();
});
