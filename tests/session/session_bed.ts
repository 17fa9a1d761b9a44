import {
  createEngine,
  type Engine,
  type QueryResult,
  type Session,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

/** What the server logs for BEGIN. */
export const BEGIN = "begin isolation level read committed";

/** A session over PostgreSQL whose statements are read from the server's log. */
export function sessionTest(
  name: string,
  run: (bed: {
    database: TestDatabase;
    engine: Engine;
    Session: Sessionmaker;
    db: Session;
    /** Statements of the server's log since the table was made. */
    sent(): Promise<string[]>;
  }) => Promise<void>,
): void {
  Deno.test(`Session ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table notes (id int primary key, body text)",
    });
    await using engine = createEngine(postgres(database.url));
    const Session = sessionmaker(engine);
    await using db = Session();
    await run({ database, engine, Session, db, sent: () => database.log() });
    await db.close();
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

/** Runs a statement without waiting: Drizzle's queries start when awaited. */
export function issue(db: Session, text: string): Promise<QueryResult> {
  return db.execute(text).then((result) => result);
}

/** Lets promises go on that only wait for each other, not for the server. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await null;
}

/** Resolves when a `pg_sleep` runs on the server. */
export async function asleep(database: TestDatabase): Promise<void> {
  await database.waitFor(async () => {
    const rows = await database.query(
      `select 1 from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`,
    );
    return rows.length === 1;
  });
}
