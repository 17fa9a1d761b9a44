import { serveNeon } from "../../src/dev/serve_neon.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { neon } from "../../src/neon/neon_driver.ts";
import { pglite } from "../../src/pglite/pglite_driver.ts";
import { postgres } from "../../src/postgres/postgres_driver.ts";
import { testPGlite } from "./pglite.ts";
import { type TestDatabase, testDatabase } from "./postgres.ts";

/** A driver with a database of its own behind it. */
export interface DriverBed extends AsyncDisposable {
  /** Reaches the database. */
  readonly driver: Driver;
  /** The server's view, where there is a server. */
  readonly database: TestDatabase | undefined;
}

/** Every driver, each over the real thing: name to how its bed is made. */
export const driverBeds: Readonly<Record<string, () => Promise<DriverBed>>> = {
  pglite: pgliteBed,
  postgres: postgresBed,
  neon: neonBed,
};

/** PGlite in memory. */
export async function pgliteBed(): Promise<DriverBed> {
  const lite = await testPGlite();
  return {
    driver: pglite(lite),
    database: undefined,
    [Symbol.asyncDispose]: () => lite.close(),
  };
}

/** PostgreSQL over TCP. */
export async function postgresBed(): Promise<DriverBed> {
  const database = await testDatabase();
  return {
    driver: postgres(database.url),
    database,
    [Symbol.asyncDispose]: () => database.drop(),
  };
}

/** PostgreSQL behind a local Neon endpoint. */
export async function neonBed(): Promise<DriverBed> {
  const database = await testDatabase();
  const server = await serveNeon({ backend: database.url, port: 0 });
  return {
    driver: neon(server.url),
    database,
    async [Symbol.asyncDispose]() {
      await server.close();
      await database.drop();
    },
  };
}
