import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import { customType, integer, pgTable } from "drizzle-orm/pg-core";
import {
  createEngine,
  type EnqueueableQuery,
  NullpoolError,
  type Session,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { asleep, issue, sessionTest } from "./session_bed.ts";

/** A column whose values of the application cannot always be written. */
const even = customType<{ data: number; driverData: number }>({
  dataType: () => "integer",
  toDriver: (value) => {
    if (value % 2 === 1) throw new RangeError("odd");
    return value;
  },
});

const notes = pgTable("notes", { id: even().primaryKey(), n: integer() });

/** Why `enqueue` of a query throws; what has no place can have no answer. */
function codeOf(
  db: Pick<Session, "enqueue">,
  query: EnqueueableQuery<unknown>,
): string {
  return assertThrows(() => void db.enqueue(query), NullpoolError).code;
}

sessionTest(
  "throws at an enqueue that has no place, and commits the rest where it is caught",
  async ({ db, database }) => {
    await db.execute("alter table notes add n int");
    const ids = Array.from({ length: 65_536 }, () => sql`${0}`);
    db.add(notes, { id: 2, n: 1 });
    assertEquals(codeOf(db, sql`commit`), "TRANSACTION_OPEN");
    assertEquals(
      codeOf(db, sql`select 1 where 1 in (${sql.join(ids, sql`, `)})`),
      "TOO_MANY_PARAMETERS",
    );
    const odd = db.insert(notes).values({ id: 3 });
    assertThrows(() => void db.enqueue(odd), Error, "odd");
    // What has its place keeps it.
    db.enqueue(db.insert(notes).values({ id: 4, n: 2 }));
    await db.commit();
    assertEquals(await database.query("select id, n from notes order by 1"), [
      { id: 2, n: 1 },
      { id: 4, n: 2 },
    ]);
  },
);

sessionTest(
  "saves nothing of a block whose enqueue was refused",
  async ({ Session, database }) => {
    const error = await Session.begin((db) => {
      db.add(notes, { id: 2 });
      db.enqueue(sql`commit`);
      return Promise.resolve();
    }).catch((thrown: unknown) => thrown);
    assert(error instanceof StateError, String(error));
    assertEquals(error.code, "TRANSACTION_OPEN");
    assertEquals(await database.query("select id from notes"), []);
  },
);

sessionTest(
  "throws at an enqueue behind the end of its block, of its session, and beside a rollback",
  async ({ database, db }) => {
    const nested: Pick<Session, "enqueue">[] = [];
    await db.beginNested((tx) => Promise.resolve(void nested.push(tx)));
    const insert = db.insert(notes).values({ id: 2 });
    for (const tx of nested) {
      assertEquals(codeOf(tx, insert), "TRANSACTION_ENDED");
    }
    const sleeping = issue(db, "select pg_sleep(30)").catch(() => {});
    await asleep(database);
    const rolling = db.rollback();
    assertEquals(codeOf(db, insert), "SESSION_BUSY");
    await database.query(
      `select pg_cancel_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`,
    );
    await Promise.all([rolling, sleeping]);
    await db.close();
    assertEquals(codeOf(db, insert), "SESSION_CLOSED");
    assertEquals(await database.query("select id from notes"), []);
  },
);

Deno.test("enqueue behind a signal throws, and the commit too", async () => {
  await using engine = createEngine(postgres("postgres://nobody@127.0.0.1:9/"));
  const Session = sessionmaker(engine);
  const controller = new AbortController();
  const { signal } = controller;
  await using db = Session({ signal });
  db.enqueue(sql`select 1`);
  controller.abort();
  await using late = Session({ signal });
  assertEquals(codeOf(db, sql`select 2`), "TRANSACTION_FAILED");
  assertEquals(codeOf(late, sql`select 2`), "ABORTED");
  for (const each of [db, late]) {
    const error = await assertRejects(() => each.commit(), NullpoolError);
    assertEquals(error.code, "TRANSACTION_FAILED");
    assert(error.cause instanceof NullpoolError);
    assertEquals(error.cause.code, "ABORTED");
  }
});

Deno.test("enqueue of what is no query says so", async () => {
  await using engine = createEngine(
    postgres("postgres://nobody@127.0.0.1:9/none"),
  );
  await using db = sessionmaker(engine)();
  for (const wrong of ["select 1", undefined, 1, {}, notes, [], () => 1]) {
    assertThrows(
      () => void db.enqueue(wrong as never),
      TypeError,
      "Cannot enqueue: expected a query builder of a session, or SQL",
    );
    assertThrows(
      () => void db.stream(wrong as never),
      TypeError,
      "Cannot stream: expected a select or a relational query of a session, or SQL",
    );
  }
});
