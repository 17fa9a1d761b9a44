import { eq, sql } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import {
  createEngine,
  type Engine,
  mapTasks,
  NullPool,
  ref,
  sessionmaker,
} from "../../mod.ts";
import { inspector, serveNeon } from "../../src/dev/mod.ts";
import { dbSession } from "../../src/hono/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const orders = pgTable("orders", {
  id: serial().primaryKey(),
  customer: text().notNull(),
});
const lines = pgTable("lines", {
  id: serial().primaryKey(),
  orderId: integer().notNull().references(() => orders.id),
  sku: text().notNull(),
});

const setup = `
create table orders (id serial primary key, customer text not null);
create table lines (id serial primary key, "orderId" int references orders,
  sku text not null);
insert into orders (customer) select 'customer ' || n
  from generate_series(1, 12) n;
insert into lines ("orderId", sku) select id, 'TEA' from orders;
`;

/** SQL that would be markup if it were not text. */
export const HOSTILE = "<img src=x onerror=\"document.title='pwned'\">";

/** How the app is served. */
export interface BusyOptions {
  /** Milliseconds by which the database seems to be away. */
  readonly latency?: number;
  /** Whether the page may be asked for values. */
  readonly exposeParameters?: boolean;
  /** Ends the streams. */
  readonly signal?: AbortSignal;
}

/** An app with everything that the inspector marks, and where it is served. */
export interface BusyApp extends AsyncDisposable {
  readonly url: string;
  readonly engine: Engine;
  /** Asks it; throws away the answer. */
  ask(path: string, method?: string): Promise<number>;
}

/** Serves it on a free port, over a database of its own. */
export async function busyApp(options: BusyOptions = {}): Promise<BusyApp> {
  const { latency = 0, exposeParameters = false, signal } = options;
  const database = await testDatabase({ setup });
  const endpoint = await serveNeon({ backend: database.url, port: 0, latency });
  const engine = createEngine(neon(endpoint.url), {
    mode: "development",
    exposeParameters,
    pool: (driver) => new NullPool(driver, { maxOpen: 4 }),
  });
  const app = new Hono();
  app.route("/_nullpool", inspector(engine, { ...(signal && { signal }) }));
  addRoutes(app, engine);
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    app.fetch,
  );
  const base = `http://127.0.0.1:${server.addr.port}`;
  return {
    url: base,
    engine,
    async ask(path, method = "GET") {
      const response = await fetch(base + path, { method });
      await response.body?.cancel();
      return response.status;
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await engine.dispose();
      await endpoint.close();
      await database.drop();
    },
  };
}

function addRoutes(app: Hono, engine: Engine): void {
  const Session = sessionmaker(engine, { schema: { orders, lines } });
  const scope = scopedSession(Session);
  const { db } = scope;
  app.onError((error, c) => c.json({ error: error.name }, 500));
  app.use(dbSession(scope));
  app.get("/orders", async (c) => {
    const [found, count] = await Promise.all([
      db.select().from(orders).limit(10),
      db.$count(orders),
    ]);
    return c.json({ found, count });
  });
  app.get("/orders/:id", async (c) => {
    const id = Number(c.req.param("id"));
    const [order] = await db.select().from(orders).where(eq(orders.id, id));
    return order ? c.json(order) : c.notFound();
  });
  app.get("/n-plus-one", async (c) => {
    const found = await db.select().from(orders).limit(12);
    for (const { id } of found) {
      await db.select().from(lines).where(eq(lines.orderId, id));
    }
    return c.json(found);
  });
  app.post("/orders", async (c) => {
    const order = db.add(orders, { customer: "Ada" });
    for (const sku of ["TEA", "POT"]) {
      db.add(lines, { orderId: ref(order).id, sku });
    }
    await db.commit();
    return c.json(order, 201);
  });
  app.post("/slow", async (c) => {
    await db.insert(orders).values({ customer: "Bob" });
    await new Promise((resolve) => setTimeout(resolve, 80));
    await db.transaction((tx) => tx.insert(orders).values({ customer: "Eve" }));
    return c.text("saved", 201);
  });
  app.post("/refused", async (c) => {
    await db.insert(orders).values({ customer: "Mallory" });
    return c.text("no", 409);
  });
  app.post("/broken", async (c) => {
    await db.execute(sql`insert into nowhere values (1)`);
    return c.text("never");
  });
  app.get("/tasks", async (c) => {
    const done = await mapTasks(Session, [1, 2, 3, 4, 5, 6], async (own, n) => {
      await own.execute(sql`insert into orders (customer) values (${n}::text)`);
      return n;
    });
    return c.json(done);
  });
  app.post("/hostile", async (c) => {
    const name = `task ${HOSTILE}`;
    await using own = Session({ name });
    await own.execute(sql.raw(`select 1 /* ${HOSTILE} */`));
    return c.text("survived");
  });
  app.post("/leak", async (c) => {
    await Session({ name: "forgotten" }).execute("create table vain (n int)");
    return c.text("leaked");
  });
  app.post("/retry", async (c) => {
    let runs = 0;
    await Session.begin(async (own) => {
      if (++runs > 1) return void await own.execute("select 1");
      await own.execute(
        "do $$ begin raise exception 'lost' using errcode = '40001'; end $$",
      );
    }, { retry: { maxDelay: 20 } });
    return c.text("won");
  });
}
