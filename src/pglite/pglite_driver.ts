import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { ConnectionError } from "../errors/connection_error.ts";
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
 * whoever made it, and nothing else may use it meanwhile. COPY FROM STDIN is
 * refused (0A000). When PGlite itself fails, by lack of memory for example, all
 * that follows is a `ConnectionError` until the engine is disposed of.
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
  const name = "the PGlite instance";
  const connect = connector(source, name);
  return {
    name: "pglite",
    ...ONE_CONNECTION,
    describe: () => name,
    // deno-lint-ignore require-await -- what it throws has to reject
    connect: async () => connect(),
  };
}

/**
 * Opens connections until the database itself fails (it ran out of memory, or
 * was closed): PGlite 0.5 does not come back from a call that follows, and
 * takes the process with it.
 */
function connector(database: PGliteInstance, name: string): () => Connection {
  let hasFailed = false;
  return () => {
    if (hasFailed) {
      throw new ConnectionError(
        "CONNECT_FAILED",
        `Cannot connect to ${name}: it has failed before, and cannot be used any more; dispose the engine, and make another`,
        { maybeExecuted: false },
      );
    }
    return new PGliteConnection(database, () => hasFailed = true);
  };
}

const ONE_CONNECTION = {
  maxConnections: 1,
  defaultPool: (driver: Driver) => new StaticPool(driver),
};

/** A database of the driver's own, which it has to close. */
interface Opened {
  readonly owned: OwnedDatabase;
  readonly connect: () => Connection;
}

function ownedDriver(dataDir: string): PooledDriver {
  const name = `the PGlite database "${dataDir}"`;
  let opened: Promise<Opened> | undefined;

  async function open(): Promise<Opened> {
    const owned = await openDatabase(dataDir);
    return { owned, connect: connector(owned.database, name) };
  }

  async function ready(): Promise<Opened> {
    opened ??= open();
    try {
      return await opened;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  }

  return {
    name: "pglite",
    ...ONE_CONNECTION,
    describe: () => name,
    async connect() {
      return (await ready()).connect();
    },
    async dispose() {
      const closing = opened;
      opened = undefined;
      await (await closing)?.owned.close();
    },
  };
}
