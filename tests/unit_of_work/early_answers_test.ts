import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  DatabaseError,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase, waitFor } from "../support/postgres.ts";

const items = pgTable("items", { id: serial().primaryKey(), n: integer() });
const notes = pgTable("notes", {
  id: serial().primaryKey(),
  key: text().notNull().unique(),
});

/** Two statements: what PostgreSQL keeps back (8 KB) is none of the answer to the first. */
const MANY = 4_000;

/** A commit whose first answers are here, and whose last statement waits for another session. */
async function waitingCommit() {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(
    await testDatabase({
      setup: `create table items (id serial primary key, n int);
        create table notes (id serial primary key, key text not null unique)`,
    }),
  );
  const engine = opened.use(createEngine(postgres(database.url)));
  const Session = sessionmaker(engine);
  const other = opened.use(Session());
  other.add(notes, { key: "taken" });
  await other.flush();
  const db = opened.use(Session());
  const rows = Array.from({ length: MANY }, (_, n) => ({ n }));
  const made = db.addAll(items, rows);
  const note = db.add(notes, { key: "taken" });
  const committing = db.commit();
  committing.catch(() => {});
  await waitFor(() => made.slice(0, MANY / 2).every(isAnswered));
  assert(!isAnswered(note));
  const stack = opened.move();
  return {
    database,
    other,
    db,
    made,
    committing,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Whether the key of an entity can be read. */
function isAnswered(entity: { readonly id: number }): boolean {
  try {
    return entity.id > 0;
  } catch (error) {
    if (error instanceof StateError) return false;
    throw error;
  }
}

Deno.test("a commit takes answers in while the server is at work behind them", async () => {
  await using bed = await waitingCommit();
  await bed.other.rollback();
  await bed.committing;
  assertEquals(bed.made.filter(isAnswered).length, MANY);
  assertEquals(
    await bed.database.query("select count(*)::int as n from items"),
    [{ n: MANY }],
  );
});

Deno.test("a commit that fails behind answers takes them back", async () => {
  await using bed = await waitingCommit();
  await bed.other.commit();
  const error = await assertRejects(() => bed.committing, DatabaseError);
  assertEquals(error.constraint, "notes_key_key");
  assertEquals(bed.made.filter(isAnswered).length, 0);
  assertThrows(() => bed.made[0]?.id, StateError);
  await bed.db.rollback();
  assertEquals(bed.db.new, []);
});
