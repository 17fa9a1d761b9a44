/**
 * What the unit of work costs beside the driver: `deno bench -A bench`.
 *
 * Both sides of a group do the same on a connection of the same server, and
 * return the same columns. The ratio is what counts, not the milliseconds.
 */
import { assertEquals } from "@std/assert";
import process from "node:process";
import {
  boolean,
  integer,
  pgTable,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { createEngine, QueuePool, type Session, sessionmaker } from "../mod.ts";
import { postgres } from "../src/postgres/mod.ts";
import { testDatabase } from "../tests/support/postgres.ts";

const ROWS = 10_000;

const items = pgTable("items", {
  id: serial().primaryKey(),
  name: text().notNull(),
  quantity: integer().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  isOpen: boolean("is_open").notNull(),
});
const database = await testDatabase({
  setup: `create table items (id serial primary key, name text not null,
    quantity int not null, at timestamptz not null, is_open bool not null);
    create table loaded (id serial primary key, name text not null,
    quantity int not null)`,
});
const engine = createEngine(postgres(database.url), {
  pool: (driver) => new QueuePool(driver, { poolSize: 2 }),
});
const Sessions = sessionmaker(engine);
const rows = Array.from({ length: ROWS }, (_, at) => ({
  name: `item ${at}`,
  quantity: at % 100,
  at: new Date(1.7e12 + at * 1000),
  isOpen: at % 2 === 0,
}));

/** Measures work in a transaction that is open already, and undone. */
async function measured(
  b: Deno.BenchContext,
  work: (db: Session) => Promise<number>,
): Promise<void> {
  const db = Sessions();
  await db.execute("select 1");
  b.start();
  const count = await work(db);
  b.end();
  assertEquals(count, ROWS);
  await db.close();
}

Deno.bench({
  name: "INSERT .. SELECT FROM unnest, by hand",
  group: "10,000 rows of five columns",
  baseline: true,
  async fn(b) {
    // Only what says "async" itself is waited for.
    await measured(b, async (db) => {
      const connection = await db.connection();
      const result = await connection.query(
        `insert into items (name, quantity, at, is_open)
          select * from unnest($1::text[], $2::int[], $3::timestamptz[], $4::bool[])
          returning id, name, quantity, at, is_open`,
        [
          rows.map(({ name }) => name),
          rows.map(({ quantity }) => quantity),
          rows.map(({ at }) => at),
          rows.map(({ isOpen }) => isOpen),
        ],
      );
      return result.rows.length;
    });
  },
});

Deno.bench({
  name: "addAll() and flush()",
  group: "10,000 rows of five columns",
  async fn(b) {
    // Only what says "async" itself is waited for.
    await measured(b, async (db) => {
      const made = db.addAll(items, rows);
      await db.flush();
      return made.filter(({ id }) => id > 0).length;
    });
  },
});

const loaded = pgTable("loaded", {
  id: serial().primaryKey(),
  name: text().notNull(),
  quantity: integer().notNull(),
});

/** Changes ten of 1,000 rows, again and again. */
const changing = Sessions();
await changing.execute(
  `insert into loaded (name, quantity)
    select 'n', n from generate_series(1, 1000) n`,
);
await changing.commit();
const entities = await changing.find(loaded, undefined, { limit: 1_000 });

Deno.bench({
  name: "UPDATE .. FROM unnest, by hand",
  group: "1,000 loaded and 10 changed",
  baseline: true,
  async fn(b) {
    const connection = await changing.connection();
    b.start();
    await connection.query(
      `update loaded t set quantity = t.quantity + v.n
        from unnest($1::int[], $2::int[]) v(id, n) where t.id = v.id
        returning t.id, t.name, t.quantity`,
      [entities.slice(0, 10).map(({ id }) => id), Array(10).fill(1)],
    );
    b.end();
  },
});

Deno.bench({
  name: "flush()",
  group: "1,000 loaded and 10 changed",
  async fn(b) {
    for (const entity of entities.slice(0, 10)) entity.quantity++;
    b.start();
    await changing.flush();
    b.end();
  },
});

// The package that brings PostgreSQL ends the process itself, which a
// benchmark must not; the server ends with the process either way.
process.removeAllListeners("beforeExit");
globalThis.addEventListener("unhandledrejection", (event) => {
  if (String(event.reason).includes("done is not a function")) {
    event.preventDefault();
  }
});
