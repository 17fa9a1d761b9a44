import { command, type Statement } from "../driver/statement.ts";
import type { HookMark } from "./_hook_list.ts";

/** Work that a savepoint may undo. */
export interface WatchableWork {
  /**
   * Watches what is done now.
   *
   * @returns Tells whether no savepoint has undone it.
   */
  watch(): () => boolean;
}

/**
 * A savepoint: sent when the first statement inside it is, never named twice
 * in a transaction.
 *
 * Names are counted, not derived from depth: two blocks of equal depth would
 * share a name, and one would roll back the other's work.
 */
export class Savepoint {
  /** Its name on the server. */
  readonly name: string;
  /** `open` once the server has it; `queued` while it is on its way. */
  state: "unsent" | "queued" | "open" = "unsent";

  /** Whether its work was undone, with that of those inside it. */
  isUndone = false;

  /** Which hooks the transaction had before it: the rest ends with it. */
  readonly hooksBefore: HookMark;

  /** How many statements were issued before it: they are none of its work. */
  readonly issuedBefore: number;

  /** How far the unit of work was: the rest is undone with it. */
  readonly workBefore: number;

  /**
   * @param number Counts the savepoints of the transaction.
   * @param hooksBefore Which hooks the transaction has.
   * @param issuedBefore How many statements were issued.
   * @param workBefore How far the unit of work is.
   */
  constructor(
    number: number,
    hooksBefore: HookMark,
    issuedBefore: number,
    workBefore: number,
  ) {
    this.workBefore = workBefore;
    this.name = `nullpool_${number}`;
    this.hooksBefore = hooksBefore;
    this.issuedBefore = issuedBefore;
  }

  /** Opens it. */
  get begin(): Statement {
    return command(`savepoint ${this.name}`);
  }

  /** Keeps its work. */
  get release(): Statement {
    return command(`release savepoint ${this.name}`);
  }

  /** Undoes its work. */
  get rollback(): Statement {
    return command(`rollback to savepoint ${this.name}`);
  }
}
