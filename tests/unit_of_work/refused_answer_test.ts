import { assert, assertEquals, assertRejects } from "@std/assert";
import { customType, integer, pgTable, serial } from "drizzle-orm/pg-core";
import type { Engine } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const lower = customType<{ data: string; driverData: string }>({
  dataType: () => "text",
  fromDriver(value) {
    if (value !== value.toLowerCase()) throw new Error("not lower case");
    return value;
  },
});

const words = pgTable("words", {
  id: serial().primaryKey(),
  word: lower(),
  n: integer(),
});

const test = entityTests("Session", {
  setup: [
    "create table words (id serial primary key, word text, n int)",
    `create function shout() returns trigger language plpgsql as
      $$ begin if new.n > 0 then new.word := upper(new.word); end if;
      return new; end $$`,
    `create trigger shout before insert or update on words
      for each row execute function shout()`,
    "insert into words (word, n) values ('there', 0)",
  ],
  schema: { words },
});

/** Errors that nobody can be given otherwise. */
function told(engine: Engine): string[] {
  const errors: string[] = [];
  engine.on("listenerError", ({ error }) => void errors.push(String(error)));
  return errors;
}

test("commit() was done, though a column refuses the answer", async ({ engine, db, rows }) => {
  const errors = told(engine);
  const hooks: string[] = [];
  db.afterCommit(() => void hooks.push("afterCommit"));
  db.afterRollback(() => void hooks.push("afterRollback"));
  const [one, two] = db.addAll(words, [
    { word: "a", n: 1 },
    { word: "b", n: 0 },
  ]);
  await db.commit();
  assertEquals(hooks, ["afterCommit"]);
  assertEquals(errors, ["Error: not lower case"]);
  assertEquals([one, two], [
    { id: 2, word: "a", n: 1 },
    { id: 3, word: "b", n: 0 },
  ]);
  assertEquals([db.state, db.dirty], ["idle", []]);
  assertEquals(await rows("select word from words where n = 1"), [
    { word: "A" },
  ]);
  // It is read again, and says so where somebody hears it.
  await assertRejects(() => db.get(words, 2), Error, "not lower case");
});

test("flush() says what a column refuses, and leaves the rest as it is", async ({ db, rows }) => {
  const one = db.add(words, { word: "a", n: 1 });
  await assertRejects(() => db.flush(), Error, "not lower case");
  assertEquals(one.id, 2);
  one.n = 0;
  await db.commit();
  assertEquals(await rows("select n from words order by id"), [
    { n: 0 },
    { n: 0 },
  ]);
});

test("a flush that nobody waits for tells what a column refuses", async ({ engine, db }) => {
  const errors = told(engine);
  db.add(words, { word: "a", n: 1 });
  const later = db.enqueue(db.select({ n: words.n }).from(words));
  await db.commit();
  assertEquals((await later).length, 2);
  assertEquals(errors, ["Error: not lower case"]);
});

test("commit() of an entity that was frozen is done", async ({ engine, db, rows }) => {
  const errors = told(engine);
  const one = Object.freeze(db.add(words, { word: "a", n: 0 }));
  await db.commit();
  assertEquals(errors, ["TypeError: Cannot redefine property: id"]);
  assertEquals([db.state, db.dirty], ["idle", []]);
  assertEquals((await rows("select id from words")).length, 2);
  await db.execute("select 1");
  await db.rollback();
  assert(Object.isFrozen(one));
});

test("rollback() and close() never reject, whatever was frozen", async ({ engine, db }) => {
  const [there] = await db.find(words);
  assert(there);
  there.n = -5;
  Object.freeze(there);
  await db.flush();
  await db.rollback();
  assertEquals(db.state, "idle");
  await db.execute("select 1");
  await db.close();
  await engine.idle();
});
