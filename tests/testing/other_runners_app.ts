import { integer, pgTable } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import { scopedSession } from "@nullpool/db/scoped";
import { env } from "node:process";

/** The application's only table. */
export const notes = pgTable("notes", { id: integer().primaryKey() });

const engine = createEngine(postgres(() => env.DATABASE_URL));

/** One session per task, as in any application. */
export const scope = scopedSession(sessionmaker(engine));

/**
 * Stores a note and commits.
 *
 * @param id Its key.
 */
export async function addNote(id: number): Promise<void> {
  await scope.begin((db) => db.insert(notes).values({ id }));
}
