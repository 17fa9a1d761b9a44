import {
  checkTransactionOptions,
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { CurrentTransaction } from "./_current_transaction.ts";
import type { Flusher } from "./_flusher.ts";
import type { Gate } from "./_gate.ts";
import {
  canRunInside,
  joinExplicitly,
  joinWithOptions,
} from "./_join_options.ts";
import type { Nesting } from "./_nesting.ts";
import {
  autocommitError,
  busyError,
  openError,
  strandedError,
} from "./_refusals.ts";
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
  /** How transactions run that say nothing else, and who owns them. */
  readonly rules: {
    readonly transaction: TransactionOptions;
    readonly atomic: boolean;
  };
  /** How the session ends them. */
  readonly ends: TransactionEnds;
}

/** A block that runs in a transaction which another one ends. */
interface Guest {
  /** The one that it has joined. */
  readonly transaction: Transaction | undefined;
  /** Whether that was ended before the block was. */
  isStranded: boolean;
}

/** How the transactions of a session begin that somebody asks for by name. */
export class Beginning<Handle> {
  readonly #parts: BeginningParts<Handle>;
  readonly #nesting: Nesting<Handle>;
  readonly #guests = new Set<Guest>();

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
   * Refuses options that the open transaction cannot have any more; where
   * nothing was begun explicitly and nothing has run, it has them from now on.
   *
   * @param options How it is to run.
   * @throws {StateError} When it runs otherwise already.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  checkOptions(options: TransactionOptions): void {
    const { gate, current } = this.#parts;
    checkTransactionOptions(options);
    gate.allow("execute", gate.blocks.innermost);
    joinWithOptions(current.begin("begin"), options);
  }

  /**
   * Whether somebody else ends the open transaction, or has work in it. One
   * that has only read is taken over by whoever begins one.
   */
  get mustJoin(): boolean {
    const { gate, current: { open }, flusher, rules } = this.#parts;
    return rules.atomic || gate.blocks.isOpen || (open?.explicit ?? false) ||
      (open?.writes ?? 0) > 0 || flusher.work.hasChanges();
  }

  /**
   * Runs a block in the open transaction, which whoever began it ends.
   *
   * @param block What to run.
   * @param options How the transaction is to run.
   * @returns What the block returned.
   * @throws {StateError} When it runs otherwise already, or has ended before
   * the block.
   */
  async join<T>(
    block: () => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    this.checkOptions(options);
    const transaction = this.#parts.current.open;
    const guest: Guest = { transaction, isStranded: false };
    this.#guests.add(guest);
    try {
      const result = await block();
      if (guest.isStranded) throw strandedError();
      return result;
    } finally {
      this.#guests.delete(guest);
    }
  }

  /**
   * Refuses a commit while blocks run that have joined the transaction.
   *
   * @throws {StateError} When there are some.
   */
  checkJoined(): void {
    const { open } = this.#parts.current;
    // What they do from now on would begin a transaction that nobody commits.
    if (open && this.#strand(open)) throw busyError("commit", "a joined block");
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
    const { current, ends } = this.#parts;
    current.ofBlock = transaction;
    try {
      const result = await block();
      // What they do from now on would begin a transaction that nobody commits.
      if (this.#strand(transaction)) {
        throw busyError("commit", "a joined block");
      }
      current.leaveBlock();
      if (current.open === transaction) {
        await (current.rollbackOnly ? ends.rollback() : ends.commit());
      }
      return result;
    } catch (error) {
      this.#strand(transaction);
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
    const { gate, current, rules } = this.#parts;
    gate.allow("beginNested", outer);
    if (isAutocommit({ ...rules.transaction, ...options })) {
      throw autocommitError("run transaction()");
    }
    if (!this.mustJoin) {
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

  /** Tells blocks that have not ended that their transaction does. */
  #strand(transaction: Transaction): boolean {
    const guests = [...this.#guests]
      .filter((guest) => guest.transaction === transaction);
    for (const guest of guests) guest.isStranded = true;
    return guests.length > 0;
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
