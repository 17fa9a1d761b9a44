import { sql } from "drizzle-orm";
import type { MigrationMeta } from "drizzle-orm/migrator";
import type { Engine } from "../engine/engine.ts";
import { checkArgument } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import {
  DatabaseError,
  IntegrityError,
  SerializationError,
} from "../errors/database_error.ts";
import type { Session } from "./session.ts";
import { sessionmaker } from "./sessionmaker.ts";

/** Where {@linkcode migrate} keeps its record. */
export interface MigrateOptions {
  /**
   * The schema of the record, as in drizzle-kit's configuration.
   *
   * @default {"drizzle"}
   */
  readonly migrationsSchema?: string;
  /**
   * The table of the record.
   *
   * @default {"__drizzle_migrations"}
   */
  readonly migrationsTable?: string;
}

const MIGRATE_OPTIONS: OptionNames<MigrateOptions> = {
  migrationsSchema: true,
  migrationsTable: true,
};

/**
 * Applies drizzle-kit's migrations that the database has not seen yet, in one
 * transaction and under an advisory lock: instances that start at once wait
 * for each other, and none sees half of them.
 *
 * It reads files, so it runs where there is a file system (in a deploy step,
 * not in a Worker). The statements of a file are separated by drizzle-kit's
 * breakpoints.
 *
 * @example Before the app starts
 * ```ts ignore
 * import { createEngine, migrate } from "@nullpool/db";
 * import { postgres } from "@nullpool/db/postgres";
 *
 * const engine = createEngine(postgres(() => Deno.env.get("DATABASE_URL")));
 * await migrate(engine, "./migrations");
 * ```
 *
 * @param engine Of the database.
 * @param folder drizzle-kit's output folder, with `meta/_journal.json` in it; a
 * relative one is looked for in the working directory.
 * @param options Where the record is kept.
 * @throws {TypeError} When the folder lacks its journal or a file of it, or a
 * migration is not newer than others that were applied without it; none is
 * applied then.
 * @throws {DatabaseError} When a migration fails, and which one; none is applied
 * then.
 */
export async function migrate(
  engine: Engine,
  folder: string,
  options: MigrateOptions = {},
): Promise<void> {
  checkArgument(
    typeof folder === "string",
    "migrate",
    "drizzle-kit's folder as text",
  );
  checkOptionNames("migrate()", options, MIGRATE_OPTIONS);
  const {
    migrationsSchema = "drizzle",
    migrationsTable = "__drizzle_migrations",
  } = options;
  const schema = sql.identifier(migrationsSchema);
  const record = sql`${schema}.${sql.identifier(migrationsTable)}`;
  const migrations = await readMigrations(folder);
  const lock = `nullpool.migrate ${migrationsSchema}.${migrationsTable}`;
  await sessionmaker(engine).begin(async (db) => {
    await db.execute(
      sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`,
    );
    // As `PgDialect.migrate` of Drizzle's, which does not say what failed.
    await db.execute(sql`create schema if not exists ${schema}`);
    await db.execute(
      sql`create table if not exists ${record} (id serial primary key, hash text not null, created_at bigint)`,
    );
    const { rows } = await db.execute(
      sql`select hash, created_at from ${record}`,
    );
    const last = Math.max(...rows.map((row) => Number(row.created_at)));
    checkNonePassedOver(migrations, rows, last);
    for (const [at, migration] of migrations.entries()) {
      const { folderMillis, hash } = migration;
      if (folderMillis <= last) continue;
      await apply(db, migration, entryOf(at));
      await db.execute(
        sql`insert into ${record} (hash, created_at) values (${hash}, ${folderMillis})`,
      );
    }
    // A snapshot would be taken before the lock is, and miss what its last
    // holder has done. And it takes what it takes.
  }, {
    isolationLevel: "read committed",
    readOnly: false,
    statementTimeout: 0,
    transactionTimeout: 0,
  });
}

/** Runs the statements of a migration. */
async function apply(
  db: Pick<Session, "execute">,
  { sql: texts }: MigrationMeta,
  name: string,
): Promise<void> {
  for (const [at, text] of texts.entries()) {
    try {
      await db.execute(sql.raw(text));
    } catch (error) {
      throw placed(error, `statement ${at + 1} of ${name}`);
    }
  }
}

/** A migration, as drizzle-kit counts them. */
function entryOf(at: number): string {
  return `entry ${at} of meta/_journal.json`;
}

/** Says where it was that the database has refused something. */
function placed(error: unknown, place: string): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const Refusal = [IntegrityError, SerializationError]
    .find((each) => error instanceof each) ?? DatabaseError;
  const { code, message, sqlstate, constraint, table, column } = error;
  return new Refusal(code, `Cannot migrate: ${place} failed: ${message}`, {
    sqlstate,
    constraint,
    table,
    column,
    cause: error,
  });
}

/**
 * As with Drizzle, only what is newer than the last one is applied. What another
 * branch has brought in between would be passed over, and nobody told. Older
 * than all that is recorded is what was there before the record; a time whose
 * text is gone is that of one that was edited.
 */
function checkNonePassedOver(
  migrations: readonly MigrationMeta[],
  record: readonly Record<string, unknown>[],
  last: number,
): void {
  const texts = new Set<unknown>(migrations.map(({ hash }) => hash));
  const hashes = new Set(record.map(({ hash }) => hash));
  const times = record.map((row) => Number(row.created_at));
  const edited = new Set(times.filter((_, at) => !texts.has(record[at]?.hash)));
  const first = Math.min(...times);
  const at = migrations.findIndex(({ folderMillis, hash }) =>
    folderMillis >= first && folderMillis <= last &&
    !edited.has(folderMillis) && !hashes.has(hash)
  );
  if (at < 0) return;
  throw new TypeError(
    `Cannot migrate: ${
      entryOf(at)
    } is not newer than one that was applied without it; generate it again, or give it a "when" above all others`,
  );
}

async function readMigrations(folder: string): Promise<MigrationMeta[]> {
  // Loaded late: it needs a file system, which Workers lack.
  const { readMigrationFiles } = await import("drizzle-orm/migrator");
  try {
    return readMigrationFiles({ migrationsFolder: folder });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`Cannot migrate from "${folder}": ${reason}`, {
      cause: error,
    });
  }
}
