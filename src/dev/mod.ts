/**
 * For development: a local Neon endpoint (Neon's HTTP and WebSocket protocols in
 * front of PGlite or any PostgreSQL), and a page that shows what sessions do.
 *
 * @module
 */
export { inspector, type InspectorOptions } from "./inspector.ts";
export type { NeonExchange, NeonFault, NeonFaults } from "./neon_faults.ts";
export {
  type NeonServer,
  type NeonServerOptions,
  serveNeon,
} from "./serve_neon.ts";
export type { PGliteLike } from "./pglite_like.ts";
