import type { Result, Statement } from "../driver/statement.ts";
import type { Engine } from "../engine/engine.ts";
import type { Hook, HookList } from "./_hook_list.ts";
import { endedError } from "./_refusals.ts";
import type { CoreHooks } from "./session_core_options.ts";
import type { ExecuteFirst, Settings } from "./settings.ts";

/** Runs what a session has to run around its transactions. */
export class HookRunner<Handle> {
  readonly #hooks: CoreHooks<Handle>;
  readonly #engine: Engine;
  /** Hooks of the sessionmaker that run after an end. */
  readonly #running = new Set<Hook | undefined>();
  #first: { handle: Handle; execute: ExecuteFirst } | undefined;
  /** The commit whose hook runs. */
  #preparing: object | undefined;

  /**
   * @param hooks What to run.
   * @param engine Told what a hook threw that nobody waits for.
   */
  constructor(hooks: CoreHooks<Handle>, engine: Engine) {
    this.#hooks = hooks;
    this.#engine = engine;
  }

  /** Whether anything runs ahead of the first statement. */
  get hearsBegin(): boolean {
    return this.#hooks.afterBegin !== undefined;
  }

  /** Whether the hook before a commit is running. */
  get isPreparing(): boolean {
    return this.#preparing !== undefined;
  }

  /** Whether somebody is the hook that runs ahead of all others. */
  isFirst(handle: Handle): boolean {
    return handle === this.#first?.handle;
  }

  /**
   * Runs a statement of the hook that runs ahead of all others.
   *
   * @param handle Through which it was issued.
   * @param statement What to run.
   * @returns Nothing where it is not the hook's.
   */
  executeFirst(
    handle: Handle,
    statement: Statement,
  ): Promise<Result> | undefined {
    if (handle === this.#first?.handle) return this.#first.execute(statement);
  }

  /**
   * Runs when a connection is there.
   *
   * @param handle Speaks meanwhile, and is dead afterwards.
   * @param execute Runs its statements.
   */
  async afterBegin(
    handle: Handle,
    execute: ExecuteFirst,
  ): Promise<Settings | void> {
    const first = { handle, execute };
    this.#first = first;
    try {
      return await this.#hooks.afterBegin?.(handle);
    } finally {
      // One that a rollback did not wait for leaves the next one alone.
      if (this.#first === first) this.#first = undefined;
    }
  }

  /**
   * Runs before COMMIT, in the transaction that is committed.
   *
   * @returns Nothing where nothing is to run: a commit must not wait for it,
   * or a statement would slip in.
   * @throws {StateError} When a rollback came in between.
   */
  beforeCommit(): Promise<void> | undefined {
    const { beforeCommit } = this.#hooks;
    if (beforeCommit === undefined) return undefined;
    return this.#prepare(() => beforeCommit.call(this.#hooks));
  }

  /** A rollback came in between: another commit need not wait for the hook. */
  stopPreparing(): void {
    this.#preparing = undefined;
  }

  async #prepare(hook: () => Promise<void>): Promise<void> {
    const commit = {};
    this.#preparing = commit;
    let isWanted = true;
    try {
      await hook();
    } finally {
      isWanted = this.#preparing === commit;
      if (isWanted) this.#preparing = undefined;
    }
    if (!isWanted) throw endedError("commit");
  }

  /** Runs after COMMIT. */
  afterCommit(ofTransaction: HookList | undefined): Promise<void> {
    return this.#runAll(ofTransaction?.ofCommit ?? [], this.#hooks.afterCommit);
  }

  /** Runs after ROLLBACK; where COMMIT may have been done none says that it was not. */
  afterRollback(ofTransaction: HookList): Promise<void> {
    const last = ofTransaction.isInDoubt
      ? undefined
      : this.#hooks.afterRollback;
    return this.#runAll(ofTransaction.ofRollback, last);
  }

  /** They are no part of the transaction: one may use the session, or close it. */
  async #runAll(
    hooks: readonly Hook[],
    last: Hook | undefined,
  ): Promise<void> {
    // What it does itself ends in transactions, too: it would never be done.
    const isInside = this.#running.has(last);
    for (const hook of last && !isInside ? [...hooks, last] : hooks) {
      if (hook === last) this.#running.add(last);
      try {
        await hook();
      } catch (error) {
        // What has ended stays so, whatever comes after it.
        this.#engine.emit({ type: "listenerError", error });
      } finally {
        if (hook === last) this.#running.delete(last);
      }
    }
  }
}
