import { integer, pgTable } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { type ScopedSession, scopedSession } from "../../src/scoped/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

/** The table of the tests. */
export const numbers = pgTable("numbers", { n: integer().notNull() });

const schema = { numbers };

/** A registry over PostgreSQL; no connection may be left behind. */
export function scopeTest(
  name: string,
  run: (
    scope: ScopedSession<typeof schema>,
    database: TestDatabase,
  ) => Promise<void>,
): void {
  Deno.test(`scopedSession ${name}`, async () => {
    await using database = await testDatabase({
      setup: "create table numbers (n int not null)",
    });
    await using engine = createEngine(postgres(database.url));
    await run(scopedSession(sessionmaker(engine, { schema })), database);
    await engine.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

/** The numbers that were saved. */
export function stored(database: TestDatabase): Promise<unknown[]> {
  return database.query("select n from numbers order by n")
    .then((rows) => rows.map((row) => row.n));
}
