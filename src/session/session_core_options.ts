import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { KnownEntities } from "../unit_of_work/known_entities.ts";
import type { GateOptions } from "./_gate.ts";
import type { FlushListener } from "./_flusher.ts";
import type { Bookmark } from "./bookmark.ts";
import type { Settings } from "./settings.ts";

/**
 * What runs around the transactions of a session.
 *
 * @typeParam Handle Who issues statements.
 */
export interface CoreHooks<Handle> {
  /** Given the only handle that may speak before the first statement. */
  afterBegin?(first: Handle): Promise<Settings | void>;
  /** Before COMMIT; what it throws keeps the transaction open. */
  beforeCommit?(): Promise<void>;
  /** When the connection is given back. */
  afterCommit?(): unknown;
  /** When the connection is given back. */
  afterRollback?(): unknown;
}

/**
 * How a session runs.
 *
 * @typeParam Handle Who issues statements.
 */
export interface SessionCoreOptions<Handle> extends GateOptions {
  /** How transactions run that say nothing else. */
  readonly transaction: TransactionOptions;
  /**
   * Whether whoever opened the session owns every transaction of it, as if
   * each were begun by `begin()`: `transaction(fn)` is then a savepoint.
   */
  readonly atomic: boolean;
  /** Called before the first transaction. */
  readonly whenUsed?: (() => void) | undefined;
  /** Whether work begins a transaction by itself. */
  readonly autobegin: boolean;
  /** Whether reads of one turn travel together. */
  readonly sharesReads: boolean;
  /** Who asks, where there is no connection that says so. */
  readonly authToken?: string | undefined;
  /**
   * What is set in every transaction, because of whom the session speaks for;
   * nothing where that is not known, and has to be.
   */
  readonly identity: Settings | undefined;
  /** Whether a commit is to tell how far the log is. */
  readonly notesPosition: boolean;
  /** Where it is noted how far the log is, and what a replica must have replayed. */
  readonly bookmark?: Bookmark | undefined;
  /** Ends every transaction when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** The session as a pool sees it. */
  readonly holder: PoolHolder;
  /** What runs around its transactions. */
  readonly hooks: CoreHooks<Handle>;
  /** Knows the entities of all sessions, for messages. */
  readonly known?: KnownEntities | undefined;
  /** Told of every flush. */
  readonly onFlush?: FlushListener | undefined;
}
