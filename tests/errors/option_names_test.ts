import { assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import {
  createEngine,
  mapTable,
  mapTasks,
  migrate,
  NullPool,
  QueuePool,
  sessionmaker,
  StaticPool,
} from "@nullpool/db";
import { inspector, serveNeon } from "@nullpool/db/dev";
import {
  background,
  dbSession,
  streamSession,
  transactional,
} from "@nullpool/db/hono";
import { neon, neonHttp, neonWebSocket } from "@nullpool/db/neon";
import { instrument } from "@nullpool/db/otel";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import { scopedSession } from "@nullpool/db/scoped";
import { recordingDriver, withRollback } from "@nullpool/db/testing";

/** No option has this name; built elsewhere, the compiler lets it pass. */
const MISNAMED: object = { timeOut: 5 };

const REFUSAL = 'Cannot use option "timeOut"';

const URL = "postgres://app:marker@127.0.0.1:1/app";

const users = pgTable("users", { id: integer().primaryKey() });

Deno.test("whatever takes options refuses one that it does not have", () => {
  const driver = recordingDriver();
  const engine = createEngine(driver, { mode: "development" });
  const Session = sessionmaker(engine);
  const calls: Record<string, () => unknown> = {
    createEngine: () => createEngine(driver, MISNAMED),
    "set of drivers": () => createEngine({ primary: driver, ...MISNAMED }),
    "createEngine transaction": () =>
      createEngine(driver, { transaction: MISNAMED }),
    "engine.with": () => engine.with(MISNAMED),
    sessionmaker: () => sessionmaker(engine, MISNAMED),
    "sessionmaker transaction": () =>
      sessionmaker(engine, { transaction: MISNAMED }),
    hooks: () => sessionmaker(engine, { hooks: MISNAMED }),
    Session: () => Session(MISNAMED),
    "Session.with": () => Session.with(MISNAMED)(),
    scopedSession: () => scopedSession(Session, MISNAMED),
    "scope.open": () => scopedSession(Session).open(MISNAMED),
    neon: () => neon(URL, MISNAMED),
    neonHttp: () => neonHttp(URL, MISNAMED),
    neonWebSocket: () => neonWebSocket(URL, MISNAMED),
    postgres: () => postgres(URL, MISNAMED),
    NullPool: () => new NullPool(driver, MISNAMED),
    QueuePool: () => new QueuePool(driver, MISNAMED),
    StaticPool: () => new StaticPool(driver, MISNAMED),
    mapTable: () => mapTable(users, MISNAMED),
    dbSession: () => dbSession(Session, MISNAMED),
    "source of sessions": () =>
      dbSession({ engine: () => engine, key: () => "", ...MISNAMED }),
    transactional: () => transactional(Session, (c) => c.body(""), MISNAMED),
    instrument: () => instrument(engine, MISNAMED),
    inspector: () => inspector(engine, MISNAMED),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = assertThrows(call, TypeError, undefined, name);
    assertStringIncludes(error.message, REFUSAL, name);
  }
  // Its handler is run again, so it has the app's `onError` alone.
  const others: object = { onError: () => undefined };
  const error = assertThrows(
    () => transactional(Session, (c) => c.body(""), others),
    TypeError,
  );
  assertStringIncludes(error.message, 'Cannot use option "onError"');
});

Deno.test("whatever runs with options refuses one that it does not have", async () => {
  await using engine = createEngine(pglite());
  const Session = sessionmaker(engine, { schema: { users } });
  await Session.begin((db) => db.execute("create table users (id int)"));
  const scope = scopedSession(Session);
  const calls: Record<string, () => Promise<unknown>> = {
    "Session.begin": () => Session.begin(nothing, MISNAMED),
    retry: () => Session.begin(nothing, { retry: MISNAMED }),
    "scope.run": () => scope.run(nothing, MISNAMED),
    "scope.begin": () => scope.begin(nothing, MISNAMED),
    "db.begin": () => scope.run((db) => db.begin(nothing, MISNAMED)),
    "db.transaction": () =>
      scope.run((db) => db.transaction(nothing, MISNAMED)),
    within: () => scope.run((db) => db.within(nothing(), MISNAMED)),
    query: () =>
      scope.run(async (db) =>
        (await db.connection()).query("select 1", [], MISNAMED)
      ),
    dispose: () => engine.dispose(MISNAMED),
    invalidate: () =>
      new QueuePool(recordingDriver()).invalidate(undefined, MISNAMED),
    get: () => scope.run((db) => db.get(users, 1, MISNAMED)),
    find: () => scope.run((db) => db.find(users, undefined, MISNAMED)),
    mapTasks: () => mapTasks(Session, [1], nothing, MISNAMED),
    migrate: () => migrate(engine, "./nowhere", MISNAMED),
    withRollback: () => withRollback(Session, nothing, MISNAMED),
    serveNeon: () => serveNeon({ backend: URL, ...MISNAMED }),
  };
  for (const [name, call] of Object.entries(calls)) {
    const error = await assertRejects(call, TypeError, undefined, name);
    assertStringIncludes(error.message, REFUSAL, name);
  }
});

Deno.test("the middleware's helpers refuse an option that they do not have", async () => {
  const Session = sessionmaker(createEngine(recordingDriver()));
  const app = new Hono();
  app.onError((error, c) => c.text(`${error.name}: ${error.message}`, 500));
  app.get("/background", (c) => {
    background(c, Session, nothing, MISNAMED);
    return c.text("done");
  });
  app.get(
    "/stream",
    (c) => streamSession(c, Session, () => new Response("done"), MISNAMED),
  );
  for (const path of ["/background", "/stream"]) {
    const response = await app.request(path);
    assertStringIncludes(await response.text(), `TypeError: ${REFUSAL}`, path);
  }
});

async function nothing(): Promise<void> {}
