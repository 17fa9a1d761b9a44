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

/** What a transaction had before a savepoint: the rest is undone with it. */
export interface SavepointBefore {
  /** Which hooks. */
  readonly hooks: HookMark;
  /** How many statements were issued. */
  readonly issued: number;
  /** How far the unit of work was. */
  readonly work: number;
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
  /** What was there before it. */
  readonly before: SavepointBefore;

  /**
   * @param number Counts the savepoints of the transaction.
   * @param before What was there before it.
   */
  constructor(number: number, before: SavepointBefore) {
    this.name = `nullpool_${number}`;
    this.before = before;
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
