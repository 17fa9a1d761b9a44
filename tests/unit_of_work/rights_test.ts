import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { integer, pgTable, serial, text, uuid } from "drizzle-orm/pg-core";
import {
  createEngine,
  DatabaseError,
  mapTable,
  ref,
  sessionmaker,
  StaleDataError,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { watched } from "./entity_bed.ts";

const parents = pgTable("parents", {
  id: serial().primaryKey(),
  owner: text().notNull(),
});
const children = pgTable("children", {
  id: uuid().defaultRandom().primaryKey(),
  parentId: integer().notNull().references(() => parents.id),
  note: text(),
});
const audit = pgTable("audit", {
  id: uuid().primaryKey().$defaultFn(() => crypto.randomUUID()),
  line: text().notNull(),
});

const SETUP = `
  create table parents (id int generated always as identity primary key, owner text not null);
  create table children (id uuid primary key default gen_random_uuid(),
    "parentId" int not null references parents, note text);
  create table audit (id uuid primary key, line text not null);
  alter table parents enable row level security;
  alter table children enable row level security;
  alter table audit enable row level security;
  create policy own on parents using (owner = current_user);
  create policy of_own on children using
    (exists (select 1 from parents p where p.id = "parentId" and p.owner = current_user));
  create policy write_only on audit for insert with check (true);
  create function noted() returns trigger language plpgsql as $$ begin
    if tg_table_name = 'children' then
      new.note := coalesce(new.note, '') || ' of ' || (select owner from parents where id = new."parentId");
    end if;
    return new; end $$;
  create trigger noted before insert on children for each row execute function noted();
  create trigger noted before insert on parents for each row execute function noted();
`;

Deno.test("flush() works under policies and triggers, for a role with few rights", async () => {
  await using database = await testDatabase({ setup: SETUP });
  const role = await database.createRole();
  await database.query(
    `grant select, insert, update, delete on parents, children to ${role.name}`,
  );
  await database.query(`grant insert on audit to ${role.name}`);
  const watch = watched(postgres(role.url));
  await using engine = createEngine(watch.driver);
  const Session = sessionmaker(engine, {
    tables: [mapTable(audit, { readBack: "none" })],
  });
  await using db = Session();
  const parent = db.add(parents, { owner: role.name });
  const made = db.addAll(children, [
    { parentId: ref(parent).id, note: "a" },
    { parentId: ref(parent).id },
  ]);
  const line = db.add(audit, { line: "made" });
  await db.commit();
  assertEquals(watch.flights.length, 1);
  assertEquals(made.map(({ note }) => note), [
    `a of ${role.name}`,
    ` of ${role.name}`,
  ]);
  assertEquals(typeof line.id, "string");
  assertEquals(await database.query("select line from audit"), [
    { line: "made" },
  ]);
  // Somebody else's row is no row.
  await database.query("insert into parents (owner) values ('other')");
  const [other] = db.track(parents, [{ id: 2, owner: "other" }]);
  if (other) other.owner = role.name;
  await assertRejects(() => db.commit(), StaleDataError, "0 of 1");
  await db.rollback();
  db.add(parents, { owner: "other" });
  await assertRejects(() => db.commit(), DatabaseError, "row-level security");
  await db.rollback();
});

Deno.test('flush() with readBack "none" sends no RETURNING, and says what it does not know', async () => {
  await using database = await testDatabase({
    setup: "create table parents (id serial primary key, owner text not null)",
  });
  const watch = watched(postgres(database.url));
  await using engine = createEngine(watch.driver);
  const Session = sessionmaker(engine, {
    tables: [mapTable(parents, { readBack: "none" })],
  });
  await using db = Session();
  const made = db.add(parents, { owner: "x" });
  await db.commit();
  assertEquals(
    watch.flights.flat().map(({ text }) => text)[1],
    'insert into "parents" ("owner") select v."owner" from (select l.ord as nullpool_ord, l.c1 as "owner" from (values ($1::text, 1)) as l(c1, ord)) as v order by v.nullpool_ord',
  );
  assertThrows(() => made.id, Error, 'readBack is "none"');
  assertEquals(await database.query("select owner from parents"), [
    { owner: "x" },
  ]);
});

Deno.test('flush() with readBack "generated" reads what the database makes', async () => {
  await using database = await testDatabase({
    setup: `create table parents (id serial primary key, owner text not null);
      create function shout() returns trigger language plpgsql as
        'begin new.owner := upper(new.owner); return new; end';
      create trigger shout before insert or update on parents for each row execute function shout()`,
  });
  await using engine = createEngine(postgres(database.url));
  const Session = sessionmaker(engine, {
    tables: [mapTable(parents, { readBack: "generated" })],
  });
  await using db = Session();
  const made = db.add(parents, { owner: "x" });
  await db.commit();
  assertEquals(made, { id: 1, owner: "x" });
  await db.refresh(made);
  assertEquals(made, { id: 1, owner: "X" });
});

Deno.test("a trigger that keeps a row away is told", async () => {
  await using database = await testDatabase({
    setup: `create table parents (id serial primary key, owner text not null);
      create function drop_it() returns trigger language plpgsql as
        'begin if new.owner = ''no'' then return null; end if; return new; end';
      create trigger drop_it before insert on parents for each row execute function drop_it()`,
  });
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  db.addAll(parents, [{ owner: "yes" }, { owner: "no" }]);
  const error = await assertRejects(() => db.commit(), StateError, "1 of 2");
  assertEquals(error.code, "ROW_NOT_RETURNED");
  await db.rollback();
  assertEquals(await database.query("select * from parents"), []);
});
