import {
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { CurrentTransaction } from "./_current_transaction.ts";
import type { Flusher } from "./_flusher.ts";
import type { Gate } from "./_gate.ts";
import { joinWithOptions } from "./_join_options.ts";
import { busyError, strandedError } from "./_refusals.ts";
import type { Joining } from "./joining.ts";
import type { Transaction } from "./transaction.ts";

/** What joining a transaction has to do with. */
interface GuestsParts<Handle> {
  /** Knows who may speak. */
  readonly gate: Gate<Handle>;
  /** What is joined. */
  readonly current: CurrentTransaction<Handle>;
  /** Knows what is pending. */
  readonly flusher: Flusher;
  /** Who owns transactions. */
  readonly rules: { readonly atomic: boolean };
}

/** A block that runs in a transaction which another one ends. */
interface Guest {
  /** The one that it has joined. */
  readonly transaction: Transaction;
  /** Whether that was ended before the block was. */
  isStranded: boolean;
}

/** The blocks that have joined transactions of a session. */
export class Guests<Handle> implements Joining {
  readonly #parts: GuestsParts<Handle>;
  readonly #guests = new Set<Guest>();

  /** @param parts What it has to do with. */
  constructor(parts: GuestsParts<Handle>) {
    this.#parts = parts;
  }

  /** Whether a block has to join, and cannot begin. */
  get isNeeded(): boolean {
    const { gate, current: { open }, flusher, rules } = this.#parts;
    return rules.atomic || gate.blocks.isOpen || (open?.explicit ?? false) ||
      (open?.writes ?? 0) > 0 || flusher.work.hasChanges();
  }

  /** Refuses options that the open transaction cannot have any more. */
  checkOptions(options: TransactionOptions): Transaction {
    const { gate, current } = this.#parts;
    checkTransactionOptions(options);
    gate.allow("execute", gate.blocks.innermost);
    const transaction = current.begin("begin");
    joinWithOptions(transaction, options);
    return transaction;
  }

  /** Runs a block in the open transaction. */
  async run<T>(
    block: () => Promise<T>,
    options: TransactionOptions,
  ): Promise<T> {
    const transaction = this.checkOptions(options);
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

  /** Refuses whoever commits from outside while a block runs. */
  refuseCommit(): void {
    const { current, flusher } = this.#parts;
    if (current.ofBlock !== undefined) {
      throw busyError("commit", "a begin() block");
    }
    if (!flusher.isAutomatic) {
      throw busyError("commit", "a noAutoflush() block");
    }
    this.refuseCommitOf(current.open);
  }

  /**
   * Refuses the commit of a transaction while blocks run that have joined it:
   * what they do from now on would begin one that nobody commits.
   *
   * @param transaction The one.
   * @throws {StateError} When there are some.
   */
  refuseCommitOf(transaction: Transaction | undefined): void {
    if (this.strand(transaction)) throw busyError("commit", "a joined block");
  }

  /**
   * Tells blocks that have not ended that their transaction does.
   *
   * @param transaction The one.
   * @returns Whether there are some.
   */
  strand(transaction: Transaction | undefined): boolean {
    const guests = [...this.#guests]
      .filter((guest) => guest.transaction === transaction);
    for (const guest of guests) guest.isStranded = true;
    return guests.length > 0;
  }
}
