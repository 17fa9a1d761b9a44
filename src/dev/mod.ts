/**
 * A local Neon endpoint for tests and development: Neon's HTTP and WebSocket
 * protocols in front of PGlite or any PostgreSQL.
 *
 * @module
 */
export type { NeonExchange, NeonFault, NeonFaults } from "./neon_faults.ts";
export {
  type NeonServer,
  type NeonServerOptions,
  serveNeon,
} from "./serve_neon.ts";
export type { PGliteLike } from "./pglite_like.ts";
