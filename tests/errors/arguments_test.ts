import { assert, assertEquals, assertRejects } from "@std/assert";
import { eq } from "drizzle-orm";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  mapTable,
  mapTasks,
  migrate,
  QueuePool,
  sessionmaker,
} from "../../mod.ts";
import { inspector, serveNeon } from "../../src/dev/mod.ts";
import {
  background,
  dbSession,
  streamSession,
  transactional,
} from "../../src/hono/mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import {
  recordingDriver,
  rolledBack,
  withRollback,
} from "../../src/testing/mod.ts";

const users = pgTable("users", {
  id: integer().primaryKey(),
  name: text().notNull(),
});

/** What the compiler would refuse, for whoever writes JavaScript. */
function wrong(value: unknown): never {
  return value as never;
}

/** What is refused with a `TypeError`, or a `RangeError`, and what that says. */
const REFUSED: readonly (readonly [string, (bed: Bed) => unknown])[] = [
  [
    "expected an engine from createEngine()",
    ({ driver }) => sessionmaker(wrong(driver)),
  ],
  [
    "expected a driver such as",
    ({ engine }) => createEngine(wrong(engine)),
  ],
  [
    "such as (driver) => new QueuePool(driver)",
    ({ driver }) => createEngine(driver, { pool: wrong(QueuePool) }),
  ],
  [
    "such as (driver) => new QueuePool(driver)",
    ({ driver }) =>
      createEngine(driver, { pool: wrong(new QueuePool(driver)) }),
  ],
  [
    'option "tables": expected a list of what mapTable() returns',
    ({ engine }) => sessionmaker(engine, { tables: [wrong(users)] }),
  ],
  [
    "options of mapTable(): they are an object",
    () => mapTable(users, wrong(undefined)),
  ],
  [
    "Cannot make a scoped session: expected a sessionmaker",
    ({ engine }) => scopedSession(wrong(engine)),
  ],
  [
    "Cannot use dbSession(): expected a scoped session",
    ({ engine }) => dbSession(wrong(() => engine)),
  ],
  [
    "Cannot use transactional(): expected a function",
    ({ Session }) => transactional(Session, wrong(undefined)),
  ],
  [
    "options of retry: they are an object",
    ({ Session }) => Session.begin(reading, { retry: wrong(5) }),
  ],
  [
    "Cannot begin: expected a function",
    ({ Session }) => Session.begin(wrong(Promise.resolve())),
  ],
  [
    "Cannot migrate: expected drizzle-kit's folder as text",
    ({ engine }) => migrate(engine, wrong({ migrationsFolder: "drizzle" })),
  ],
  [
    "Cannot map tasks: expected a sessionmaker",
    ({ engine }) => mapTasks(wrong(engine), [1], reading),
  ],
  [
    "Cannot map tasks: expected items",
    ({ Session }) => mapTasks(Session, wrong(5), reading),
  ],
  [
    "Cannot map tasks: expected a function",
    ({ Session }) => mapTasks(Session, [1], wrong(undefined)),
  ],
  [
    'Cannot add to "users": expected a row',
    ({ db }) => db.addAll(users, wrong({ id: 1, name: "Ada" })),
  ],
  [
    'Cannot add to "users": expected a row',
    ({ db }) => db.add(users, wrong([{ id: 1, name: "Ada" }])),
  ],
  [
    'Cannot add to "users": expected a row',
    ({ db }) => db.addAll(users, [{ id: 1, name: "Ada" }, wrong(null)]),
  ],
  [
    'Cannot track rows of "users": expected a row',
    ({ db }) => db.track(users, wrong({ id: 1, name: "Ada" })),
  ],
  [
    'Cannot merge into "users": expected a row',
    ({ db }) => db.merge(users, wrong(undefined)),
  ],
  [
    'Cannot find in "users": expected a condition',
    ({ db }) => db.find(users, wrong({ name: "Ada" })),
  ],
  [
    'Cannot find in "users": expected an order',
    ({ db }) => db.find(users, undefined, { orderBy: wrong("name") }),
  ],
  [
    'option "limit": it is a whole number, 0 or more',
    ({ db }) => db.find(users, eq(users.id, 1), { limit: Number("all") }),
  ],
  [
    'option "offset": it is a whole number, 0 or more',
    ({ db }) => db.find(users, eq(users.id, 1), { offset: -20 }),
  ],
  [
    "Cannot run noAutoflush(): expected a function",
    ({ db }) => db.noAutoflush(wrong(Promise.resolve())),
  ],
  [
    "Cannot register afterCommit(): expected a function",
    ({ db }) => db.afterCommit(wrong(Promise.resolve())),
  ],
  [
    'Cannot listen to "statment": expected one of sessionOpen, ',
    ({ engine }) => engine.on(wrong("statment"), () => {}),
  ],
  [
    'Cannot listen to "statement": expected a function',
    ({ engine }) => engine.on("statement", wrong(undefined)),
  ],
  [
    "Cannot use within(): expected a query or a promise",
    ({ db }) => db.within(wrong(() => reading(db)), { timeout: 1_000 }),
  ],
  [
    "Cannot use background(): expected a function",
    ({ Session }) => background(wrong({}), Session, wrong(Promise.resolve())),
  ],
  [
    "Cannot use streamSession(): expected a function",
    ({ Session }) => streamSession(wrong({}), Session, wrong(undefined)),
  ],
  [
    "Cannot serve a backend: expected a database URL, a folder such as file://",
    () => serveNeon({ backend: ".data/neon" }),
  ],
  [
    "Cannot serve a backend: expected a database URL, a folder such as file://",
    () => serveNeon({ backend: wrong(undefined) }),
  ],
  [
    "Cannot instrument: expected an engine from createEngine()",
    ({ driver }) => instrument(wrong(driver)),
  ],
  [
    "Cannot inspect: expected an engine from createEngine()",
    ({ Session }) => inspector(wrong(Session)),
  ],
  [
    "Cannot use withRollback(): expected a sessionmaker or a scoped session",
    ({ engine }) => withRollback(wrong(engine), reading),
  ],
  [
    "Cannot use rolledBack(): expected a function",
    ({ Session }) => rolledBack(Session, wrong(undefined)),
  ],
  [
    "Cannot query: expected SQL as text",
    async ({ db }) =>
      await (await db.connection()).query(wrong({ text: "select 1" })),
  ],
];

Deno.test("what is none of what a call takes is refused there, with what it takes", async () => {
  for (const [message, call] of REFUSED) {
    await using bed = open();
    const name = `${message} <- ${call}`;
    const error = await assertRejects(
      async () => await call(bed),
      Error,
      message,
      name,
    );
    assert(error instanceof TypeError || error instanceof RangeError, name);
    // Nothing was sent, and what waits is not lost.
    await bed.db.commit();
    assertEquals(bed.driver.log, [], name);
  }
});

/** Everything that a call may be made of. */
type Bed = ReturnType<typeof open>;

function open() {
  const driver = recordingDriver();
  const engine = createEngine(driver);
  const Session = sessionmaker(engine);
  const db = Session();
  return {
    driver,
    engine,
    Session,
    db,
    [Symbol.asyncDispose]: () => db.close(),
  };
}

function reading(db: Bed["db"]) {
  return db.find(users).then(() => {});
}
