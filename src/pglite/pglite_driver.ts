import { PGlite } from "@electric-sql/pglite";
import type { Driver } from "../driver/driver.ts";
import type { PooledDriver } from "../pool/pool.ts";
import { StaticPool } from "../pool/static_pool.ts";
import { type DirectoryLock, lockDirectory } from "./directory_lock.ts";
import { PGliteConnection, type PGliteInstance } from "./pglite_connection.ts";

/**
 * A driver over PGlite: PostgreSQL inside the process, for development, tests
 * and small programs.
 *
 * There is one connection, so the engine keeps it and lends it to one session
 * at a time (`StaticPool`). Given a directory, the driver starts PGlite at the
 * first connect and ends it with `engine.dispose()`; the directory belongs to
 * one process at a time. Given an instance, it leaves starting and ending to
 * whoever made it, and nothing else may use it meanwhile.
 *
 * @example In memory
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * const rows = await Session.begin((db) => db.execute("select 1 as one"));
 * assertEquals(rows.rows, [{ one: 1 }]);
 * await engine.dispose();
 * ```
 *
 * @param source A data directory, a PGlite instance, or nothing for a database
 * in memory.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When `source` is neither.
 */
export function pglite(
  source: string | PGliteInstance = "memory://",
): PooledDriver {
  if (typeof source === "string") return ownedDriver(source);
  if (typeof source?.execProtocolStream !== "function") {
    throw new TypeError(
      "Cannot use pglite(): expected a data directory or a PGlite instance",
    );
  }
  return {
    name: "pglite",
    ...ONE_CONNECTION,
    describe: () => "the PGlite instance",
    connect: () => Promise.resolve(new PGliteConnection(source)),
  };
}

const ONE_CONNECTION = {
  maxConnections: 1,
  defaultPool: (driver: Driver) => new StaticPool(driver),
};

/** What a driver opened by itself, and therefore closes. */
interface OwnedDatabase {
  readonly database: PGlite;
  readonly lock: DirectoryLock | undefined;
}

function ownedDriver(dataDir: string): PooledDriver {
  let opened: Promise<OwnedDatabase> | undefined;
  return {
    name: "pglite",
    ...ONE_CONNECTION,
    describe: () => `the PGlite database "${dataDir}"`,
    async connect() {
      opened ??= open(dataDir);
      try {
        return new PGliteConnection((await opened).database);
      } catch (error) {
        opened = undefined;
        throw error;
      }
    },
    async dispose() {
      const closing = opened;
      opened = undefined;
      if (closing === undefined) return;
      const { database, lock } = await closing;
      await database.close();
      await lock?.release();
    },
  };
}

async function open(dataDir: string): Promise<OwnedDatabase> {
  const directory = directoryOf(dataDir);
  if (directory === undefined) {
    return { database: await PGlite.create(dataDir), lock: undefined };
  }
  // PGlite makes only the last folder of the path.
  const { mkdir } = await import("node:fs/promises");
  await mkdir(directory, { recursive: true });
  const lock = await lockDirectory(directory);
  try {
    return { database: await PGlite.create(directory), lock };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The folder of a data directory; none for `memory://` and `idb://`. */
function directoryOf(dataDir: string): string | undefined {
  if (dataDir.startsWith("file://")) return dataDir.slice("file://".length);
  return dataDir.includes("://") ? undefined : dataDir;
}
