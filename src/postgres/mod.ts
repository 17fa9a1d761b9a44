/**
 * The driver over TCP: PostgreSQL, PgBouncer, Hyperdrive.
 *
 * @module
 */
export { postgres, type PostgresOptions } from "./postgres_driver.ts";
