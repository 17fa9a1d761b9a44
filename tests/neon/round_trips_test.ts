import { assert, assertEquals } from "@std/assert";
import { eq } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  QueuePool,
  ref,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { neon } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { type WireCounter, wireCounter } from "../support/wire_counter.ts";

const orders = pgTable("orders", {
  id: serial().primaryKey(),
  customer: text().notNull(),
  total: integer(),
});
const lines = pgTable("lines", {
  id: serial().primaryKey(),
  orderId: integer().notNull().references(() => orders.id),
  sku: text().notNull(),
});
const schema = { orders, lines };

type Db = Session<typeof schema>;

/** A way to the server, and its round trips before the first flight. */
interface Way {
  readonly driver: (url: string) => Driver;
  readonly isInteractive: boolean;
  /** TCP, and what the protocol needs to begin; a request needs no more. */
  readonly opening: number;
  /** How often it has logged in before. */
  readonly logins: number;
}

const WAYS: Readonly<Record<string, Way>> = {
  "Neon over HTTP": {
    driver: (url) => neon(url),
    isInteractive: false,
    opening: 1,
    logins: 0,
  },
  "Neon over a WebSocket": {
    driver: (url) => neon(url, { transport: "websocket" }),
    isInteractive: true,
    opening: 2,
    logins: 0,
  },
  "PostgreSQL over TCP": {
    driver: (url) => postgres(url),
    isInteractive: true,
    // Start-up and the first word of a login; its last one takes the work along.
    opening: 2,
    logins: 1,
  },
  "PostgreSQL over TCP, for the first time": {
    driver: (url) => postgres(url),
    isInteractive: true,
    // Start-up, and two answers to its question for a password.
    opening: 4,
    logins: 0,
  },
};

/** What a request does, and how many flights it takes. */
const WORK: Readonly<
  Record<string, { flights: number; run: (db: Db) => Promise<unknown> }>
> = {
  "a read by key": {
    flights: 1,
    run: async (db) => assertEquals((await db.get(orders, 1))?.total, 10),
  },
  "three reads at once": {
    flights: 1,
    async run(db) {
      const [a, b, c] = await Promise.all([
        db.select().from(orders).where(eq(orders.id, 1)),
        db.$count(lines),
        db.query.orders.findMany({ with: {} }),
      ]);
      assertEquals([a.length, b, c.length], [1, 0, 20]);
    },
  },
  "a read and a change": {
    flights: 2,
    async run(db) {
      const order = await db.get(orders, 1);
      assert(order);
      order.total = 11;
      await db.commit();
    },
  },
  "an order with five lines, keys made by the server": {
    flights: 1,
    async run(db) {
      const order = db.add(orders, { customer: "Ada" });
      db.addAll(
        lines,
        [1, 2, 3, 4, 5].map((n) => ({
          orderId: ref(order).id,
          sku: `sku ${n}`,
        })),
      );
      await db.commit();
      assertEquals(order.id, 21);
    },
  },
  "a change of ten rows": {
    flights: 2,
    async run(db) {
      const found = await db.find(orders, undefined, { limit: 10 });
      for (const order of found) order.total = 1;
      await db.commit();
    },
  },
  "1,000 rows": {
    flights: 1,
    async run(db) {
      db.addAll(
        orders,
        Array.from({ length: 1_000 }, (_, n) => ({ customer: `c${n}` })),
      );
      await db.commit();
    },
  },
  "an enqueued insert": {
    flights: 1,
    async run(db) {
      db.enqueue(db.insert(orders).values({ customer: "Ada" }));
      await db.commit();
    },
  },
};

/** Connections that come and go, as those of requests before. */
async function logIn(engine: Engine, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await sessionmaker(engine).begin((db) => db.execute("select 1"));
  }
  await engine.idle();
}

async function bedOf({ driver }: Way): Promise<
  AsyncDisposable & { wire: WireCounter; driver: Driver }
> {
  const database = await testDatabase({
    setup: `create table orders (id serial primary key, customer text not null,
        total int);
      create table lines (id serial primary key,
        "orderId" int not null references orders, sku text not null);
      insert into orders (customer, total)
        select 'c', 10 * n from generate_series(1, 20) n`,
  });
  const isNeon = driver(database.url).name !== "postgres";
  const server = isNeon
    ? await serveNeon({ backend: database.url, port: 0 })
    : undefined;
  const wire = wireCounter(server?.url ?? database.url);
  const url = new URL(database.url);
  url.port = String(wire.port);
  return {
    wire,
    driver: driver(url.href),
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await server?.close();
      await database.drop();
    },
  };
}

for (const [name, way] of Object.entries(WAYS)) {
  const { isInteractive, opening, logins } = way;
  for (const [work, { flights, run }] of Object.entries(WORK)) {
    Deno.test(`round trips of ${work}, ${name}`, async () => {
      await using bed = await bedOf(way);
      await using engine = createEngine(bed.driver, {
        transaction: { interactive: isInteractive },
      });
      await logIn(engine, logins);
      bed.wire.take();
      const db = sessionmaker(engine, { schema })();
      await run(db);
      // Up to the answer: closing is not waited for.
      const { connections, upgrades, flights: sent } = bed.wire.take();
      await db.close();
      assertEquals(connections, 1);
      assertEquals(connections + sent, opening + flights);
      assertEquals(upgrades, name.endsWith("WebSocket") ? 1 : 0);
    });
  }

  if (isInteractive) {
    Deno.test(`round trips of a failed savepoint, ${name}`, async () => {
      await using bed = await bedOf(way);
      await using engine = createEngine(bed.driver);
      await logIn(engine, logins);
      bed.wire.take();
      const db = sessionmaker(engine, { schema })();
      db.enqueue(db.insert(orders).values({ customer: "kept" }));
      await db.beginNested((tx) =>
        tx.insert(lines).values({ orderId: 999, sku: "x" })
      ).catch(() => {});
      db.enqueue(db.insert(orders).values({ customer: "also kept" }));
      await db.commit();
      const { connections, flights } = bed.wire.take();
      assertEquals(connections + flights, opening + 2);
      assertEquals(await db.$count(orders), 22);
      await db.close();
    });
  }
}

Deno.test("a warm pool needs one round trip per read, and never idles in a transaction", async () => {
  const way = WAYS["PostgreSQL over TCP"];
  assert(way);
  await using bed = await bedOf(way);
  await using engine = createEngine(bed.driver, {
    pool: (driver) => new QueuePool(driver, { poolSize: 1 }),
  });
  await using db = sessionmaker(engine, { schema })();
  await db.get(orders, 1);
  bed.wire.take();
  for (const id of [2, 3]) {
    await db.get(orders, id);
    assertEquals(engine.status().checkedOut, 0);
  }
  const { connections, flights } = bed.wire.take();
  assertEquals([connections, flights], [0, 2]);
});

Deno.test("three reads and a graph of rows are two requests, and no connection", async () => {
  const way = WAYS["Neon over HTTP"];
  assert(way);
  await using bed = await bedOf(way);
  await using engine = createEngine(bed.driver);
  const told: unknown[] = [];
  engine.on("flight", ({ transport, isRequest, statements, reason }) => {
    told.push([transport, isRequest, statements, reason]);
  });
  await using db = sessionmaker(engine, { schema })();
  await Promise.all([1, 2, 3].map((id) => db.get(orders, id)));
  const order = db.add(orders, { customer: "Ada" });
  db.add(lines, { orderId: ref(order).id, sku: "a" });
  await db.commit();
  const { requests, upgrades } = bed.wire.take();
  assertEquals([requests, upgrades], [2, 0]);
  assertEquals([db.stats.requests, db.stats.connections], [2, 0]);
  const isRequest = true;
  assertEquals(told, [
    ["one-shot", isRequest, 3, "it only reads"],
    ["batch", isRequest, 2, "the whole unit of work is known"],
  ]);
});

Deno.test("reads can be kept apart", async () => {
  const way = WAYS["Neon over HTTP"];
  assert(way);
  await using bed = await bedOf(way);
  await using engine = createEngine(bed.driver);
  await using db = sessionmaker(engine, { schema })({
    sharesReads: false,
  });
  const found = await Promise.all([1, 2, 3].map((id) => db.get(orders, id)));
  assertEquals(found.map((order) => order?.id), [1, 2, 3]);
  assertEquals(bed.wire.take().requests, 3);
});

Deno.test("a transaction known to be interactive starts on the WebSocket", async () => {
  const way = WAYS["Neon over HTTP"];
  assert(way);
  await using bed = await bedOf(way);
  await using engine = createEngine(bed.driver);
  await using db = sessionmaker(engine, { schema })({
    transaction: { interactive: true },
  });
  const order = await db.get(orders, 1, { lock: "update" });
  assert(order);
  order.total = 1;
  await db.commit();
  const { connections, requests, upgrades, flights } = bed.wire.take();
  assertEquals([requests, upgrades, connections + flights], [0, 1, 4]);
});
