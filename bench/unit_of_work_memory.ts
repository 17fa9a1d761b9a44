/**
 * What a session holds per entity, beside the entity itself:
 * `deno run -A --v8-flags=--expose-gc bench/unit_of_work_memory.ts`.
 */
import { integer, pgTable, serial, text, timestamp } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../mod.ts";
import { postgres } from "../src/postgres/mod.ts";
import { testDatabase } from "../tests/support/postgres.ts";

const ROWS = 20_000;

const items = pgTable("items", {
  id: serial().primaryKey(),
  name: text().notNull(),
  quantity: integer().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  note: text(),
});
const database = await testDatabase({
  setup: `create table items (id serial primary key, name text not null,
    quantity int not null, at timestamptz not null, note text)`,
});
const Session = sessionmaker(createEngine(postgres(database.url)));

const gc: unknown = Reflect.get(globalThis, "gc");
if (typeof gc !== "function") {
  throw new TypeError("Run it with --v8-flags=--expose-gc");
}

/** Bytes in use when all garbage is gone. */
async function used(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    Reflect.apply(gc as () => void, undefined, []);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return Deno.memoryUsage().heapUsed;
}

/** Flushes rows, and counts what stays beside the rows themselves. */
async function measure(): Promise<number> {
  const values = Array.from({ length: ROWS }, (_, at) => ({
    name: `item ${at}`,
    quantity: at,
    at: new Date(1.7e12 + at),
  }));
  await using db = Session();
  await db.execute("select 1");
  const before = await used();
  const made = db.addAll(items, values);
  await db.flush();
  const after = await used();
  const copies = made.map((entity) => ({ ...entity }));
  const rows = await used() - after;
  if (copies.length !== ROWS) throw new RangeError("rows are missing");
  return (after - before - rows) / ROWS;
}

// The first run loads code.
await measure();
console.log(`${Math.round(await measure())} bytes per entity`);
Deno.exit(0);
