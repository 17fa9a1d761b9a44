/** Runs when a transaction has ended. */
export type Hook = () => unknown;

/** How many hooks there were, when a savepoint was opened. */
export interface HookMark {
  /** For the commit. */
  readonly afterCommit: number;
  /** For the rollback. */
  readonly afterRollback: number;
}

/** What waits for the end of one transaction. */
export class HookList {
  readonly #afterCommit: Hook[] = [];
  readonly #afterRollback: Hook[] = [];
  /** Of savepoints that were rolled back: they run however it ends. */
  readonly #undone: Hook[] = [];

  /** Registers one for the commit. */
  afterCommit(hook: Hook): void {
    this.#afterCommit.push(hook);
  }

  /** Registers one for the rollback. */
  afterRollback(hook: Hook): void {
    this.#afterRollback.push(hook);
  }

  /** Remembers how far it is. */
  mark(): HookMark {
    return {
      afterCommit: this.#afterCommit.length,
      afterRollback: this.#afterRollback.length,
    };
  }

  /** Follows a savepoint that was rolled back: its work is undone for good. */
  undoSince(mark: HookMark): void {
    this.#afterCommit.length = mark.afterCommit;
    this.#undone.push(...this.#afterRollback.splice(mark.afterRollback));
  }

  /** What is to run after the commit. */
  get ofCommit(): readonly Hook[] {
    return [...this.#undone, ...this.#afterCommit];
  }

  /** What is to run after the rollback. */
  get ofRollback(): readonly Hook[] {
    return [...this.#undone, ...this.#afterRollback];
  }
}
