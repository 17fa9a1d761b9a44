/**
 * Hono middleware: a database session per request.
 *
 * @module
 */
export {
  dbSession,
  type DbSessionOptions,
  type SessionVariables,
} from "./db_session.ts";
export type { EngineSource, SessionSource } from "./session_source.ts";
