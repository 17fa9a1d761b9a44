import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  customType,
  integer,
  pgTable,
  serial,
  timestamp,
} from "drizzle-orm/pg-core";
import {
  CommitOutcomeError,
  createEngine,
  DatabaseError,
  NullPool,
  ref,
  sessionmaker,
} from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { sendingBy } from "../support/sending_by.ts";
import { testDatabase } from "../support/postgres.ts";

const items = pgTable("items", { id: serial().primaryKey(), n: integer() });
const SETUP = "create table items (id serial primary key, n int)";

/** Loses the answer of the flight that carries COMMIT, executed or not. */
function losing(driver: Driver, isExecuted: boolean): Driver {
  return sendingBy(driver, async (connection, statements) => {
    if (!statements.some(({ text }) => text === "commit")) {
      return await connection.send(statements);
    }
    if (isExecuted) await connection.send(statements);
    await connection.close();
    return { results: [], failure: new Error("socket closed") };
  });
}

for (const isExecuted of [true, false]) {
  Deno.test(`a lost flight of flush and COMMIT is an unknown outcome, ${isExecuted ? "done" : "not done"}`, async () => {
    await using database = await testDatabase({ setup: SETUP });
    await using engine = createEngine(
      losing(postgres(database.url), isExecuted),
    );
    await using db = sessionmaker(engine)();
    const made = db.add(items, { n: 1 });
    await assertRejects(() => db.commit(), CommitOutcomeError);
    assertThrows(() => made.id);
    await db.rollback();
    assertEquals(db.new, []);
    assertEquals(
      await database.query("select count(*)::int as n from items"),
      [{ n: isExecuted ? 1 : 0 }],
    );
  });
}

Deno.test("a COMMIT that a deferred constraint refuses brings nothing back", async () => {
  await using database = await testDatabase({
    setup: `${SETUP};
      alter table items add constraint once unique (n) deferrable initially deferred`,
  });
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  const [first] = db.addAll(items, [{ n: 1 }, { n: 1 }]);
  const error = await assertRejects(() => db.commit(), DatabaseError);
  assertEquals(error.constraint, "once");
  assertThrows(() => first?.id);
  assertEquals(db.state, "failed");
  await db.rollback();
  db.add(items, { n: 1 });
  await db.commit();
});

Deno.test("what a refused COMMIT takes back is what the database has made", async () => {
  const shouted = customType<{ data: string }>({
    dataType: () => "text",
    toDriver: (value) => sql`upper(${value}::text)`,
  });
  const notes = pgTable("notes", {
    id: serial().primaryKey(),
    n: integer().notNull(),
    body: shouted().notNull(),
    at: timestamp().notNull().defaultNow(),
    itemId: integer("item_id").notNull(),
  });
  await using database = await testDatabase({
    setup:
      `${SETUP}; create table notes (id serial primary key, body text not null, at timestamp not null default now(),
      item_id int not null, n int not null unique deferrable initially deferred)`,
  });
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  const item = db.add(items, { n: 1 });
  const values = { n: 1, body: "hello", itemId: ref(item).id };
  const [first] = db.addAll(notes, [values, values]);
  await assertRejects(() => db.commit(), DatabaseError);
  assertThrows(() => first?.id);
  assertThrows(() => first?.at);
  assertThrows(() => first?.itemId);
  assertEquals(first?.n, 1);
  assertEquals(first?.body.toLowerCase(), "hello");
  await db.rollback();
});

Deno.test("200 sessions flush at once", async () => {
  await using database = await testDatabase({ setup: SETUP });
  await using engine = createEngine(postgres(database.url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 20 }),
  });
  const Session = sessionmaker(engine);
  const ids = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      Session.begin(async (db) => {
        const item = db.add(items, { n });
        await db.flush();
        item.n = -n;
        return item;
      })),
  );
  assertEquals(new Set(ids.map(({ id }) => id)).size, 200);
  assertEquals(
    await database.query("select sum(n)::int as sum from items"),
    [{ sum: -199 * 100 }],
  );
  await engine.idle();
  assertEquals(await database.connections(), 0);
});
