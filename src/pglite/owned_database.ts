import { PGlite } from "@electric-sql/pglite";
import { type DirectoryLock, lockDirectory } from "./directory_lock.ts";

/** A PGlite instance that its opener has to close. */
export interface OwnedDatabase {
  /** The instance, which is up. */
  readonly database: PGlite;
  /** Closes the instance, and lets the next process have its directory. */
  close(): Promise<void>;
}

/**
 * Opens PGlite in a data directory, for this process alone, or in memory.
 *
 * @param dataDir A folder, which is made where it is missing, or `memory://`.
 * @throws {StateError} When another process has the directory.
 */
export async function openDatabase(dataDir: string): Promise<OwnedDatabase> {
  const directory = directoryOf(dataDir);
  if (directory === undefined) return owned(await PGlite.create(dataDir));
  // PGlite makes only the last folder of the path.
  const { mkdir } = await import("node:fs/promises");
  await mkdir(directory, { recursive: true });
  const lock = await lockDirectory(directory);
  try {
    return owned(await PGlite.create(directory), lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function owned(database: PGlite, lock?: DirectoryLock): OwnedDatabase {
  return {
    database,
    async close() {
      try {
        await database.close();
      } finally {
        await lock?.release();
      }
    },
  };
}

/** The folder of a data directory; none for `memory://` and `idb://`. */
function directoryOf(dataDir: string): string | undefined {
  if (dataDir.startsWith("file://")) return dataDir.slice("file://".length);
  return dataDir.includes("://") ? undefined : dataDir;
}
