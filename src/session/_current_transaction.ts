import {
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import { notBegunError } from "./_refusals.ts";
import type { Gate } from "./_gate.ts";
import type { SessionCall } from "./session_state.ts";
import { Transaction } from "./transaction.ts";
import type { TransactionOwner } from "./transaction_owner.ts";

/** How a session's transactions begin. */
export interface BeginRules {
  /** How they run that say nothing else. */
  readonly transaction: TransactionOptions;
  /** Whether work begins one by itself. */
  readonly autobegin: boolean;
  /** Whether whoever opened the session owns them all. */
  readonly atomic: boolean;
  /** Called before the first one. */
  readonly whenUsed?: (() => void) | undefined;
}

/**
 * The one transaction that a session has open, if it has: begun on demand,
 * forgotten at its end.
 */
export class CurrentTransaction<Handle> {
  /** Whether it can only be rolled back. */
  rollbackOnly = false;
  /** The one that a running `begin(fn)` block owns. */
  ofBlock: Transaction | undefined;

  readonly #gate: Gate<Handle>;
  readonly #rules: BeginRules;
  readonly #owner: TransactionOwner;
  #open: Transaction | undefined;
  #isUsed = false;
  #returned: Promise<void> = Promise.resolve();

  /**
   * @param gate Follows what happens to it.
   * @param rules How it begins.
   * @param owner What it needs of the session.
   */
  constructor(
    gate: Gate<Handle>,
    rules: BeginRules,
    owner: TransactionOwner,
  ) {
    this.#gate = gate;
    this.#rules = rules;
    this.#owner = owner;
  }

  /** It, if one is open. */
  get open(): Transaction | undefined {
    return this.#open;
  }

  /** How it runs, or would. */
  get options(): TransactionOptions {
    return this.#open?.options ?? this.#rules.transaction;
  }

  /** Whether each statement stands for itself. */
  get isAutocommit(): boolean {
    return isAutocommit(this.options);
  }

  /**
   * Whether a read sees just what others have committed: nothing was written,
   * and no snapshot is kept.
   */
  get readsCommitted(): boolean {
    const { isolationLevel = "read committed" } = this.options;
    return (this.#open?.writes ?? 0) === 0 && /^read/.test(isolationLevel);
  }

  /** Settles when every connection is back in the pool, or closed. */
  get returned(): Promise<void> {
    return this.#returned;
  }

  /**
   * The open transaction, begun on demand.
   *
   * @param call What needs it.
   * @throws {StateError} When only `begin` may begin one.
   */
  begin(call: SessionCall): Transaction {
    if (this.#open === undefined) {
      const isFree = this.#rules.autobegin || this.#rules.atomic;
      if (call !== "begin" && !isFree) throw notBegunError(call);
      if (!this.#isUsed) this.#rules.whenUsed?.();
      this.#isUsed = true;
      this.#gate.enter("active");
      this.#open = new Transaction(this.#rules.transaction, this.#owner);
    }
    return this.#open;
  }

  /** Before its transaction ends: a hook that runs then may use the session. */
  leaveBlock(): void {
    this.ofBlock = undefined;
    this.#gate.turn("leaveBlock");
  }

  /**
   * Forgets one that has ended.
   *
   * @param transaction The one.
   * @returns Whether it was the open one.
   */
  forget(transaction: Transaction): boolean {
    if (this.#open !== transaction) return false;
    this.#open = undefined;
    this.#gate.turn(this.ofBlock === transaction ? "endInBlock" : "end");
    this.#gate.blocks.clear();
    this.rollbackOnly = false;
    const before = this.#returned;
    this.#returned = transaction.returned.then(() => before);
    return true;
  }
}
