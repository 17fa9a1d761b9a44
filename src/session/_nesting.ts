import type { Block } from "./_block_stack.ts";
import type { CurrentTransaction } from "./_current_transaction.ts";
import type { Flusher } from "./_flusher.ts";
import type { Gate } from "./_gate.ts";
import { autocommitError } from "./_refusals.ts";
import type { Savepoint } from "./savepoint.ts";
import { makeHandle, type TransactionHandle } from "./transaction_handle.ts";
import type { Transaction } from "./transaction.ts";

/** What nested blocks have to do with. */
interface NestingParts<Handle> {
  /** Knows who may speak. */
  readonly gate: Gate<Handle>;
  /** Begins the transaction around them. */
  readonly current: CurrentTransaction<Handle>;
  /** Sends what was changed before them, and inside. */
  readonly flusher: Flusher;
  /** Makes the handle of a block. */
  readonly newHandle: () => Handle;
}

/** The nested blocks of a session, and the savepoints behind them. */
export class Nesting<Handle> {
  readonly #gate: Gate<Handle>;
  readonly #parts: NestingParts<Handle>;

  /** @param parts What they have to do with. */
  constructor(parts: NestingParts<Handle>) {
    this.#gate = parts.gate;
    this.#parts = parts;
  }

  /**
   * Runs a block with a handle that is the only legal one meanwhile.
   *
   * @param savepoint None for a block that is the root transaction.
   * @param block What to run.
   */
  async inBlock<T>(
    savepoint: Savepoint | undefined,
    block: (open: Block<Handle>) => Promise<T>,
  ): Promise<T> {
    const open = this.#gate.blocks.push(this.#parts.newHandle(), savepoint);
    try {
      return await block(open);
    } finally {
      this.#gate.blocks.leave(open);
    }
  }

  /**
   * Runs a block inside a savepoint, which is kept at its end and rolled back
   * when the block throws. What it has changed is sent before it is kept: who
   * catches what the block throws wants to hear of it.
   *
   * @param outer Through which it was asked for.
   * @param block What to run.
   * @throws {StateError} When the session cannot run statements now.
   */
  async run<T>(
    outer: Handle,
    block: (handle: Handle) => Promise<T>,
  ): Promise<T> {
    this.#gate.allow("beginNested", outer);
    const transaction = this.#nestable();
    const savepoint = transaction.pushSavepoint();
    return await this.inBlock(savepoint, async (open) => {
      try {
        const result = await block(open.handle);
        // A rollback of the root inside the block has ended it already.
        if (this.#gate.blocks.includes(open)) {
          this.#gate.allow("release", open.handle);
          this.#gate.refuseBusy("end the nested block");
          await this.#send(transaction, savepoint);
        }
        // The flush, too, leaves time for that.
        if (this.#gate.blocks.includes(open)) transaction.release(savepoint);
        return result;
      } catch (error) {
        // Before the block is left: a statement of the outer handle must not
        // slip in ahead of ROLLBACK TO.
        if (this.#gate.blocks.includes(open)) {
          await this.#undo(transaction, savepoint, open);
        }
        throw error;
      }
    });
  }

  /**
   * Opens a savepoint without a block.
   *
   * @param outer Through which it was asked for; it stays the legal handle.
   * @throws {StateError} When the session cannot run statements now.
   */
  open(outer: Handle): TransactionHandle {
    const gate = this.#gate;
    gate.allow("beginNested", outer);
    gate.refuseBusy("begin a savepoint");
    const transaction = this.#nestable();
    const savepoint = transaction.pushSavepoint();
    const open = gate.blocks.push(outer, savepoint);
    return makeHandle(
      () => gate.blocks.includes(open) && !open.isEnding,
      {
        commit: async () => {
          gate.allow("release", outer);
          gate.refuseBusy("release the savepoint");
          await this.#send(transaction, savepoint);
          if (!gate.blocks.includes(open)) return;
          transaction.release(savepoint);
          gate.blocks.leave(open);
        },
        rollback: async () => {
          gate.permit("rollbackTo");
          await this.#undo(transaction, savepoint, open);
          gate.blocks.leave(open);
        },
      },
    );
  }

  /** What was changed inside a savepoint fails inside, if it fails. */
  async #send(transaction: Transaction, savepoint: Savepoint): Promise<void> {
    const { flusher } = this.#parts;
    const isDue = flusher.work.hasChanges() || transaction.hasHeldIn(savepoint);
    if (isDue) await flusher.flushAll(transaction);
  }

  /** What was changed before a savepoint is none of its work. */
  #nestable(): Transaction {
    const { current, flusher } = this.#parts;
    const transaction = current.begin("beginNested");
    if (current.isAutocommit) throw autocommitError("beginNested");
    flusher.hold(transaction);
    return transaction;
  }

  async #undo(
    transaction: Transaction,
    savepoint: Savepoint,
    open: Block<Handle>,
  ): Promise<void> {
    open.isEnding = true;
    const isWell = await transaction.rollbackTo(savepoint);
    if (isWell) this.#gate.turn("recover");
  }
}
