import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { eq } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { mapTable, StaleDataError, StateError } from "../../mod.ts";
import { entityTests } from "./entity_bed.ts";

const skipped = pgTable("skipped", {
  id: serial().primaryKey(),
  name: text().unique(),
});
/** Its rows go to another table, as those of hand-made partitions do. */
const routed = pgTable("routed", { id: integer().primaryKey(), name: text() });
/** Its rows are marked, and stay. */
const marked = pgTable("marked", { id: serial().primaryKey(), state: text() });

const test = entityTests("A trigger that returns NULL", {
  setup: [
    "create table skipped (id serial primary key, name text unique)",
    "create table routed (id int primary key, name text)",
    "create table target (id int primary key, name text)",
    "create table marked (id serial primary key, state text default 'new')",
    "create function skip() returns trigger language plpgsql as 'begin return null; end'",
    `create function route() returns trigger language plpgsql as
      'begin insert into target values (new.*); return null; end'`,
    `create function mark() returns trigger language plpgsql as
      'begin update marked set state = ''gone'' where id = old.id; return null; end'`,
    `create trigger skip before insert or update on skipped
      for each row when (new.name like 'skip%') execute function skip()`,
    "create trigger route before insert on routed for each row execute function route()",
    "create trigger mark before delete on marked for each row execute function mark()",
    "insert into skipped (name) values ('Ada')",
    "insert into marked default values",
  ],
  schema: {},
  tables: [mapTable(routed, { readBack: "none" })],
});

test("makes an insert fail by name, and it is not run again", async ({ Session, db, rows }) => {
  let runs = 0;
  const error = await assertRejects(
    () =>
      Session.begin((db) => {
        runs++;
        db.addAll(skipped, [{ name: "kept" }, { name: "skip me" }]);
        return Promise.resolve();
      }, { retry: {} }),
    StateError,
    'Cannot insert into "skipped" by "id": 1 of 2 rows came back under their keys; a trigger has skipped the others, or changed their keys',
  );
  assertEquals([error.code, runs], ["ROW_NOT_RETURNED", 1]);
  const made = db.add(skipped, { id: 7, name: "skip me" });
  const known = await assertRejects(() => db.flush(), StateError);
  assertEquals([known.code, known.entities], ["ROW_NOT_RETURNED", [made]]);
  await db.rollback();
  const onConflict = { target: skipped.name, set: { name: "skip" } };
  db.add(skipped, { name: "Ada" }, { onConflict });
  const upsert = await assertRejects(() => db.commit(), StateError);
  assertEquals(upsert.code, "ROW_NOT_RETURNED");
  await db.rollback();
  assertEquals(await rows("select name from skipped"), [{ name: "Ada" }]);
});

test("lets rows be put elsewhere, where nothing is read back", async ({ db, rows }) => {
  db.addAll(routed, [{ id: 1, name: "a" }, { id: 2, name: "b" }]);
  await db.commit();
  assertEquals(await rows("select count(*)::int as n from target"), [{ n: 2 }]);
});

test("makes an update or a delete look as if somebody else had written", async ({ db, rows }) => {
  const ada = await db.get(skipped, 1);
  const row = await db.get(marked, 1);
  assert(ada && row);
  ada.name = "skip";
  await assertRejects(() => db.flush(), StaleDataError);
  await db.rollback();
  db.remove(row);
  await assertRejects(() => db.flush(), StaleDataError);
  await db.rollback();
  // Nobody counts what a query does.
  db.enqueue(db.delete(marked).where(eq(marked.id, 1)));
  await db.commit();
  assertEquals(await rows("select state from marked"), [{ state: "gone" }]);
  assertStrictEquals(await db.get(marked, 1), row);
  assertEquals(row.state, "gone");
});
