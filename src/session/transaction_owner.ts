import type { ServerTransactionParts } from "./_server_transaction.ts";
import type { BeginHook, Settings } from "./settings.ts";

/** Changes that a savepoint may undo, of those a session has pending. */
export interface UndoableWork {
  /** How far it is. */
  readonly mark: number;
  /** Undoes what was done since. */
  undo(mark: number): void;
  /** How many changes wait to be sent. */
  countPending(): number;
  /** Notes what was sent as done; called while the server works. */
  noteSealed(): void;
}

/** What a transaction needs of its session. */
export interface TransactionOwner extends ServerTransactionParts {
  /** What it has pending. */
  readonly work: UndoableWork;
  /** Whether reads of one turn travel together. */
  readonly sharesReads: boolean;
  /** Whether a commit is to tell how far the log is. */
  readonly notesPosition: boolean;
  /** What is set in every transaction; nothing where none may be begun. */
  readonly identity: Settings | undefined;
  /** Ends every transaction when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** Told that it can only be rolled back from now on, at least in part. */
  onFailure(): void;
  /**
   * Runs when a connection is there and nothing was sent; what it returns is
   * set ahead of the first statement.
   */
  readonly afterBegin?: BeginHook | undefined;
}
