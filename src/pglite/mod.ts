/**
 * The driver over PGlite, PostgreSQL inside the process.
 *
 * @module
 */
export type { PGliteInstance } from "./pglite_connection.ts";
export { pglite } from "./pglite_driver.ts";
