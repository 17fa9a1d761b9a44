import type { Driver } from "../driver/driver.ts";
import type { PooledDriver } from "../pool/pool.ts";
import { StaticPool } from "../pool/static_pool.ts";
import { openDatabase, type OwnedDatabase } from "./owned_database.ts";
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

function ownedDriver(dataDir: string): PooledDriver {
  let opened: Promise<OwnedDatabase> | undefined;
  return {
    name: "pglite",
    ...ONE_CONNECTION,
    describe: () => `the PGlite database "${dataDir}"`,
    async connect() {
      opened ??= openDatabase(dataDir);
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
      await (await closing)?.close();
    },
  };
}
