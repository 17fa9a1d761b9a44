import { sql } from "drizzle-orm";
import { Hono } from "hono";
import {
  createEngine,
  type Engine,
  type RollbackEvent,
  type Session,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

/** What a test of requests is given. */
export interface Bed {
  readonly database: TestDatabase;
  readonly engine: Engine;
  readonly Session: Sessionmaker;
  /** Rollbacks that were told. */
  readonly rollbacks: RollbackEvent[];
  /** An app behind the middleware, with `POST /:n` as the good handler. */
  readonly app: Hono<{ Variables: SessionVariables }>;
  /** What was stored. */
  stored(): Promise<unknown[]>;
}

/** Stores a number. */
export function insert(db: Session, n: number | string): Promise<unknown> {
  return db.execute(sql`insert into kept values (${Number(n)})`)
    .then((result) => result);
}

/** Requests over PostgreSQL; no connection may be left behind. */
export function requestTest(
  name: string,
  run: (bed: Bed) => Promise<void>,
): void {
  Deno.test(`dbSession ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table kept (n int unique deferrable initially deferred)",
    });
    await using engine = createEngine(postgres(database.url));
    const Session = sessionmaker(engine);
    const rollbacks: RollbackEvent[] = [];
    engine.on("rollback", (event) => rollbacks.push(event));
    const app = new Hono<{ Variables: SessionVariables }>();
    app.use(dbSession(Session));
    app.post("/:n", async (c) => {
      await insert(c.var.db, c.req.param("n"));
      return c.text("stored", 201);
    });
    app.get("/", async (c) => {
      const { rows } = await c.var.db.execute("select n from kept order by n");
      return c.json(rows);
    });
    app.onError((error, c) => c.text(`failed: ${error.name}`, 500));
    const stored = () =>
      database.query("select n from kept order by n")
        .then((rows) => rows.map((row) => row.n));
    await run({ database, engine, Session, rollbacks, app, stored });
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

/** Asks with POST. */
export async function post(
  app: Hono<{ Variables: SessionVariables }>,
  path: string,
): Promise<Response> {
  return await app.request(path, { method: "POST" });
}
