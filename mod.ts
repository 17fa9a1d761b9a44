/**
 * Database sessions for serverless and edge runtimes: SQLAlchemy's `Session`,
 * for Drizzle and Hono.
 *
 * An engine is shared, a session is not: one session per task, opened by a
 * factory, scoped by a block, a scope or a request, and nothing that outlives
 * it.
 *
 * @example A session per task
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * const answer = await Session.begin(async (db) => {
 *   const { rows } = await db.execute("select 6 * 7 as answer");
 *   return rows[0]?.answer;
 * });
 * assertEquals(answer, 42);
 * await engine.dispose();
 * ```
 *
 * @module
 */
export type { Connection } from "./src/driver/connection.ts";
export type { Deadline } from "./src/driver/deadline.ts";
export type {
  ConnectOptions,
  DatabaseAddress,
  Driver,
  SendOptions,
} from "./src/driver/driver.ts";
export type { WireParameter } from "./src/driver/parameter.ts";
export type {
  Field,
  FlightResult,
  Result,
  Statement,
} from "./src/driver/statement.ts";
export type {
  IsolationLevel,
  TransactionOptions,
} from "./src/driver/transaction_sql.ts";
export type { UrlSource } from "./src/driver/url.ts";
export type { EntityMethods } from "./src/drizzle/entity_methods.ts";
export type {
  AddOptions,
  AddValues,
  ColumnInput,
  EntityOf,
  EntityTable,
  Exactly,
  FindOptions,
  GetOptions,
  InsertValues,
  KeyOf,
  Lock,
  NestedEntities,
  NestedValues,
  OnConflict,
  SqlInput,
  TableColumn,
} from "./src/drizzle/entity_types.ts";
export {
  type MappedTable,
  mapTable,
  type MapTableOptions,
} from "./src/drizzle/map_table.ts";
export { migrate, type MigrateOptions } from "./src/drizzle/migrate.ts";
export { Session, type SessionParts } from "./src/drizzle/session.ts";
export type {
  SessionIdentity,
  SessionOptions,
} from "./src/drizzle/session_options.ts";
export type {
  HandleDatabase,
  SessionContext,
} from "./src/drizzle/session_context.ts";
export type {
  Casing,
  RelationalConfig,
  SessionShape,
} from "./src/drizzle/session_shape.ts";
export type { SessionHooks } from "./src/drizzle/session_hooks.ts";
export { SessionTransaction } from "./src/drizzle/session_transaction.ts";
export {
  type BeginOptions,
  type SessionDatabase,
  type Sessionmaker,
  sessionmaker,
  type SessionmakerOptions,
} from "./src/drizzle/sessionmaker.ts";
export type {
  BlockOptions,
  EnqueueableQuery,
  QueryResult,
  SessionQueryResultHKT,
  StreamableQuery,
} from "./src/drizzle/statement_runner.ts";
export type { IdentityRules } from "./src/session/claims.ts";
export { ledgerMigration } from "./src/session/ledger.ts";
export type { RetryOptions } from "./src/session/retry_policy.ts";
export type { WithinOptions } from "./src/session/within.ts";
export type { StatementMethods } from "./src/drizzle/statement_methods.ts";
export type { StreamOptions } from "./src/drizzle/stream_rows.ts";
export type {
  RawQueryOptions,
  TransactionConnection,
} from "./src/drizzle/transaction_connection.ts";
export {
  createEngine,
  type DriverSet,
  type EngineOptions,
} from "./src/engine/create_engine.ts";
export type {
  ConnectionParts,
  EngineConnection,
} from "./src/engine/engine_connection.ts";
export type {
  FlightListeners,
  FlightParts,
  Sender,
  Teller,
  WrappedFlight,
} from "./src/engine/flight.ts";
export {
  Engine,
  type EngineMode,
  type EngineParts,
  type EngineVariant,
} from "./src/engine/engine.ts";
export { Emitter, type Listener } from "./src/events/emitter.ts";
export type { ErrorCode, ErrorCodes } from "./src/errors/codes.ts";
export {
  CommitOutcomeError,
  ConnectionError,
  type ConnectionErrorOptions,
} from "./src/errors/connection_error.ts";
export {
  DatabaseError,
  type DatabaseErrorOptions,
  IntegrityError,
  SerializationError,
  StaleDataError,
  type StaleDataErrorOptions,
} from "./src/errors/database_error.ts";
export {
  NullpoolError,
  type NullpoolErrorOptions,
} from "./src/errors/error.ts";
export type { StaleCheck } from "./src/errors/wrap_driver_error.ts";
export { PoolError } from "./src/errors/pool_error.ts";
export {
  ScopeError,
  StateError,
  type StateErrorOptions,
} from "./src/errors/state_error.ts";
export type * from "./src/events/event.ts";
export { AssertionPool } from "./src/pool/assertion_pool.ts";
export { NullPool, type NullPoolOptions } from "./src/pool/null_pool.ts";
export type {
  CheckinOptions,
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PooledDriver,
  PoolFactory,
  PoolStatus,
} from "./src/pool/pool.ts";
export type { PoolHolder } from "./src/driver/pool_holder.ts";
export {
  type InvalidateOptions,
  QueuePool,
  type QueuePoolOptions,
} from "./src/pool/queue_pool.ts";
export { StaticPool, type StaticPoolOptions } from "./src/pool/static_pool.ts";
export { Bookmark } from "./src/session/bookmark.ts";
export type { Joining } from "./src/session/joining.ts";
export type { SessionState } from "./src/session/session_state.ts";
export type { SessionStats } from "./src/session/session_stats.ts";
export type { Settings } from "./src/session/settings.ts";
export type { RollbackOptions } from "./src/session/transaction.ts";
export type { TransactionHandle } from "./src/session/transaction_handle.ts";
export { Ref, ref, type Refs } from "./src/unit_of_work/ref.ts";
export type { LockOptions } from "./src/unit_of_work/select_statement.ts";
export type { TableMapping } from "./src/unit_of_work/table_info.ts";
export type { Items } from "./src/tasks/_item_source.ts";
export {
  mapTasks,
  type MapTasksOptions,
  type TaskContext,
  type TaskProgress,
  type TaskWorker,
} from "./src/tasks/map_tasks.ts";
