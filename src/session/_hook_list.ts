/** Runs when a transaction has ended. */
export type Hook = () => unknown;

/** One that runs after the commit. */
interface CommitHook {
  readonly hook: Hook;
  /** Whether it also runs where nobody knows what became of the commit. */
  readonly isCautious: boolean;
}

/** How many hooks there were, when a savepoint was opened. */
export interface HookMark {
  /** For the commit. */
  readonly afterCommit: number;
  /** For the rollback. */
  readonly afterRollback: number;
}

/** What waits for the end of one transaction. */
export class HookList {
  /** Whether the answer to COMMIT was lost: it was done, or it was not. */
  isInDoubt = false;
  readonly #afterCommit: CommitHook[] = [];
  readonly #afterRollback: Hook[] = [];
  /** Of savepoints that were rolled back: they run however it ends. */
  readonly #undone: Hook[] = [];

  /** Registers one for the commit. */
  afterCommit(hook: Hook): void {
    this.#afterCommit.push({ hook, isCautious: false });
  }

  /** Registers one for whatever may be a commit: it drops what may be stale. */
  afterPossibleCommit(hook: Hook): void {
    this.#afterCommit.push({ hook, isCautious: true });
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
    return [...this.#undone, ...this.#afterCommit.map(({ hook }) => hook)];
  }

  /** What is to run after anything else: nothing where it may have committed. */
  get ofRollback(): readonly Hook[] {
    if (this.isInDoubt) {
      const cautious = this.#afterCommit.filter(({ isCautious }) => isCautious);
      return [...this.#undone, ...cautious.map(({ hook }) => hook)];
    }
    return [...this.#undone, ...this.#afterRollback];
  }
}
