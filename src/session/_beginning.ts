import {
  checkTransactionOptions,
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { CurrentTransaction } from "./_current_transaction.ts";
import type { Flusher } from "./_flusher.ts";
import type { Gate } from "./_gate.ts";
import type { Guests } from "./_guests.ts";
import { canRunInside, joinExplicitly } from "./_join_options.ts";
import type { Nesting } from "./_nesting.ts";
import { autocommitError, openError } from "./_refusals.ts";
import type { Transaction } from "./transaction.ts";
import {
  makeHandle,
  type TransactionEnds,
  type TransactionHandle,
} from "./transaction_handle.ts";

/** What the begin of a transaction has to do with. */
interface BeginningParts<Handle> {
  /** Knows who may speak. */
  readonly gate: Gate<Handle>;
  /** What begins. */
  readonly current: CurrentTransaction<Handle>;
  /** Knows what is pending. */
  readonly flusher: Flusher;
  /** Blocks that have joined one. */
  readonly guests: Guests<Handle>;
  /** How transactions run that say nothing else. */
  readonly rules: { readonly transaction: TransactionOptions };
  /** How the session ends them. */
  readonly ends: TransactionEnds;
}

/** How the transactions of a session begin that somebody asks for by name. */
export class Beginning<Handle> {
  readonly #parts: BeginningParts<Handle>;
  readonly #nesting: Nesting<Handle>;

  /**
   * @param parts What it has to do with.
   * @param nesting Runs blocks inside.
   */
  constructor(parts: BeginningParts<Handle>, nesting: Nesting<Handle>) {
    this.#parts = parts;
    this.#nesting = nesting;
  }

  /**
   * Begins one explicitly; nothing is sent. Reads that ran before are joined,
   * as long as the options stay the same.
   *
   * @param root The session itself: nobody else may.
   * @param options How it runs.
   * @returns Its handle.
   * @throws {StateError} When one is open that cannot be joined.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  begin(root: Handle, options: TransactionOptions): TransactionHandle {
    const { current, ends } = this.#parts;
    const transaction = this.#begin(root, options);
    return makeHandle(() => current.open === transaction, ends);
  }

  /**
   * Runs a block in a transaction: commits at its end, rolls back and rethrows
   * when it throws. A commit or rollback inside ends the block's work.
   *
   * @param root The session itself: nobody else may.
   * @param block What to run.
   * @param options How the transaction runs.
   * @returns What the block returned.
   */
  async run<T>(
    root: Handle,
    block: () => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const transaction = this.#begin(root, options);
    const { current, ends, guests } = this.#parts;
    current.ofBlock = transaction;
    try {
      const result = await block();
      guests.refuseCommitOf(transaction);
      current.leaveBlock();
      if (current.open === transaction) {
        await (current.rollbackOnly ? ends.rollback() : ends.commit());
      }
      return result;
    } catch (error) {
      guests.strand(transaction);
      current.leaveBlock();
      if (current.open === transaction) await ends.rollback();
      throw error;
    }
  }

  /**
   * Runs what Drizzle calls a transaction: a savepoint where a transaction is
   * open explicitly, has written or has changes pending, else a transaction of
   * its own.
   *
   * @param outer Through which it was asked for.
   * @param block Given the handle that is the only legal one meanwhile.
   * @param options How a transaction of its own runs.
   * @returns What the block returned.
   */
  async runBlock<T>(
    outer: Handle,
    block: (handle: Handle) => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const { gate, current, guests, rules } = this.#parts;
    gate.allow("beginNested", outer);
    if (isAutocommit({ ...rules.transaction, ...options })) {
      throw autocommitError("run transaction()");
    }
    if (!guests.isNeeded) {
      return await this.run(
        outer,
        () => this.#nesting.inBlock(undefined, ({ handle }) => block(handle)),
        options,
      );
    }
    if (!canRunInside(current.begin("beginNested").options, options)) {
      throw openError("change its options", "a savepoint has none of its own");
    }
    return await this.#nesting.run(outer, block);
  }

  #begin(root: Handle, options: TransactionOptions): Transaction {
    const { gate, current, flusher: { work }, rules } = this.#parts;
    checkTransactionOptions(options);
    gate.allow("begin", root);
    gate.refuseBusy("begin");
    const transaction = current.begin("begin");
    const hasChanges = work.hasChanges() || transaction.hasHeld;
    const wanted = { ...rules.transaction, ...options };
    joinExplicitly(transaction, wanted, { hasChanges });
    // What was read before it is not its snapshot.
    if (options.isolationLevel !== undefined) work.invalidate(undefined);
    return transaction;
  }
}
