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
export type { ReadYourWritesOptions } from "./bookmark_cookie.ts";
export { background, type BackgroundOptions } from "./background.ts";
export { streamSession } from "./stream_session.ts";
export { transactional, type TransactionalOptions } from "./transactional.ts";
export type { CommitOptions } from "./_in_request.ts";
export type { RequestOptions } from "./_open_request.ts";
export type { EngineSource, SessionSource } from "./session_source.ts";
