import type { CurrentTransaction } from "./_current_transaction.ts";
import type { Flusher } from "./_flusher.ts";
import type { Gate } from "./_gate.ts";
import type { HookList } from "./_hook_list.ts";
import type { HookRunner } from "./_hook_runner.ts";
import { isAutocommit } from "../driver/transaction_sql.ts";
import { CommitOutcomeError } from "../errors/connection_error.ts";
import type { Refusal } from "../unit_of_work/written_rows.ts";
import { busyError, firstFailure, rollbackOnlyError } from "./_refusals.ts";
import type { SessionStats } from "./session_stats.ts";
import type { SessionState } from "./session_state.ts";
import type { RollbackOptions, Transaction } from "./transaction.ts";

/** What the end of a transaction has to do with. */
interface EndingParts<Handle> {
  /** Knows who may speak. */
  readonly gate: Gate<Handle>;
  /** What runs around it. */
  readonly hooks: HookRunner<Handle>;
  /** What ends. */
  readonly current: CurrentTransaction<Handle>;
  /** Sends what is pending. */
  readonly flusher: Flusher;
  /** Counted on. */
  readonly stats: SessionStats;
}

/** How the transactions of a session end. */
export class Ending<Handle> {
  readonly #parts: EndingParts<Handle>;
  #committing: Promise<Refusal | undefined> | undefined;

  /** @param parts What it has to do with. */
  constructor(parts: EndingParts<Handle>) {
    this.#parts = parts;
  }

  /**
   * Commits, with what is pending in the same flight.
   *
   * @param root The session itself: nobody else may.
   * @throws {StateError} When the transaction failed, a statement is running,
   * or a nested block is open.
   * @throws {DatabaseError} When the server refused.
   * @throws {CommitOutcomeError} When the answer was lost.
   */
  async commit(root: Handle): Promise<void> {
    const { gate, hooks, current, flusher: { work }, flusher } = this.#parts;
    let next = this.#allowCommit(root);
    const preparing = hooks.beforeCommit();
    if (preparing !== undefined) {
      await preparing;
      next = this.#allowCommit(root);
    }
    const transaction = work.hasChanges()
      ? current.begin("execute")
      : current.open;
    if (transaction === undefined) return await hooks.afterCommit(undefined);
    const { settled } = flusher;
    const flushed = flusher.flush(transaction);
    // What the flush has failed with stays: nothing will turn it again.
    if (transaction.failure === undefined) {
      gate.enter(next === "idle" ? "committing" : next);
    }
    this.#committing = allDone(transaction, {
      flushed,
      committed: transaction.commit(),
      settled,
    });
    try {
      const refusal = await this.#committing;
      work.nextTransaction();
      this.#countCommit(transaction);
      current.forget(transaction);
      flusher.tell(refusal);
    } catch (error) {
      // It may have been done.
      if (error instanceof CommitOutcomeError) this.#countCommit(transaction);
      throw error;
    } finally {
      this.#committing = undefined;
    }
    await hooks.afterCommit(transaction.hooks);
  }

  /** In autocommit each write was counted when it was sent. */
  #countCommit({ mayHaveWritten, options }: Transaction): void {
    if (mayHaveWritten && !isAutocommit(options)) this.#parts.stats.commits++;
  }

  #allowCommit(root: Handle): SessionState {
    const { gate, hooks, current } = this.#parts;
    const next = gate.allow("commit", root);
    gate.refuseBusy("commit");
    if (hooks.isPreparing) throw busyError("commit", "the beforeCommit hook");
    if (current.rollbackOnly) throw rollbackOnlyError();
    return next;
  }

  /**
   * Rolls back; entities are then as they were loaded.
   *
   * @param options Why.
   * @returns What is to run now, by the caller who was first to ask.
   */
  async rollback(options: RollbackOptions = {}): Promise<HookList | undefined> {
    const { gate, hooks, current, flusher: { work } } = this.#parts;
    hooks.stopPreparing();
    // A COMMIT that is under way can only be awaited.
    if (this.#committing) await this.#committing.catch(() => {});
    const transaction = current.open;
    if (transaction === undefined) {
      work.undo(0);
      return undefined;
    }
    gate.enter(gate.permit("rollback"));
    gate.blocks.clear();
    await transaction.rollback(options);
    if (current.open !== transaction) return undefined;
    work.undo(0);
    work.nextTransaction();
    current.forget(transaction);
    return transaction.hooks;
  }
}

/** What a commit waits for. */
interface Commit {
  /** The flush that goes with it, if there is one. */
  readonly flushed: Promise<Refusal | undefined> | undefined;
  /** COMMIT itself. */
  readonly committed: Promise<void>;
  /** Flushes that had their place before. */
  readonly settled: Promise<unknown> | undefined;
}

/**
 * Waits for a flush and the commit behind it; why it failed comes first.
 *
 * @returns What was thrown at an answer. It was committed all the same, and
 * nobody may be told that it was not.
 */
async function allDone(
  transaction: Transaction,
  { flushed, committed, settled }: Commit,
): Promise<Refusal | undefined> {
  committed.catch(() => {});
  try {
    const refusal = await flushed;
    await committed;
    // Of changes that had their place before.
    await settled;
    return refusal;
  } catch (error) {
    throw firstFailure(error, transaction);
  }
}
