import type { Gate } from "./_gate.ts";
import type { Block } from "./_block_stack.ts";
import type { Savepoint } from "./savepoint.ts";
import { makeHandle, type TransactionHandle } from "./transaction_handle.ts";
import type { Transaction } from "./transaction.ts";

/** The nested blocks of a session, and the savepoints behind them. */
export class Nesting<Handle> {
  readonly #gate: Gate<Handle>;
  readonly #newHandle: () => Handle;

  /**
   * @param gate Knows who may speak.
   * @param newHandle Makes the handle of a block.
   */
  constructor(gate: Gate<Handle>, newHandle: () => Handle) {
    this.#gate = gate;
    this.#newHandle = newHandle;
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
    const open = this.#gate.blocks.push(this.#newHandle(), savepoint);
    try {
      return await block(open);
    } finally {
      this.#gate.blocks.leave(open);
    }
  }

  /**
   * Runs a block inside a savepoint, which is kept at its end and rolled back
   * when the block throws.
   *
   * @param transaction The open one.
   * @param block What to run.
   */
  run<T>(
    transaction: Transaction,
    block: (handle: Handle) => Promise<T>,
  ): Promise<T> {
    const savepoint = transaction.pushSavepoint();
    return this.inBlock(savepoint, async (open) => {
      try {
        const result = await block(open.handle);
        // A rollback of the root inside the block has ended it already.
        if (this.#gate.blocks.includes(open)) {
          this.#gate.allow("release", open.handle);
          this.#gate.refuseBusy("end the nested block");
          transaction.release(savepoint);
        }
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
   * @param transaction The open one.
   * @param outer Through which it was asked for; it stays the legal handle.
   */
  open(transaction: Transaction, outer: Handle): TransactionHandle {
    const gate = this.#gate;
    const savepoint = transaction.pushSavepoint();
    const open = gate.blocks.push(outer, savepoint);
    return makeHandle(
      () => gate.blocks.includes(open) && !open.isEnding,
      {
        commit: () => {
          gate.allow("release", outer);
          gate.refuseBusy("release the savepoint");
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
