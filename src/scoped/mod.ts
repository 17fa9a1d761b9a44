/**
 * A database session per task, found by async context.
 *
 * @module
 */
export type { AsyncStorage, AsyncStorageClass } from "./async_context.ts";
export type { Propagation } from "./propagation.ts";
export {
  type ScopeBeginOptions,
  ScopedSession,
  scopedSession,
  type ScopedSessionOptions,
} from "./scoped_session.ts";
