import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { SessionHandle } from "../session/session_core.ts";
import type { CoreHooks } from "../session/session_core_options.ts";
import type { Settings } from "../session/settings.ts";
import type { SessionTransaction } from "./session_transaction.ts";
import type { StatementRunner } from "./statement_runner.ts";

/**
 * What runs around every transaction of a sessionmaker's sessions. All of them
 * may be async, and are waited for.
 *
 * @typeParam Db A session.
 * @typeParam Schema The schema of the sessions.
 */
export interface SessionHooks<
  Db,
  Schema extends Record<string, unknown> = Record<string, never>,
> {
  /**
   * Runs when a transaction begins, ahead of its first statement.
   *
   * Settings that it returns end with the transaction (PostgreSQL,
   * `set_config(.., true)`) and travel with BEGIN, at no extra round trip: the
   * place for what row-level security asks for. When it throws, the statements
   * that wait reject with its error and nothing has begun.
   *
   * @param tx Its statements run inside the transaction, ahead of all others,
   * each a round trip. It is dead when the hook has ended.
   * @param db The session. Its own statements wait for the hook: awaited in
   * here they would wait for themselves.
   */
  afterBegin?(
    tx: SessionTransaction<Schema>,
    db: Db,
  ): Settings | void | Promise<Settings | void>;
  /**
   * Runs before COMMIT, inside the transaction. When it throws, `commit()`
   * rejects with its error and the transaction stays open.
   *
   * @param db The session.
   */
  beforeCommit?(db: Db): unknown;
  /**
   * Runs after COMMIT, when the connection is given back: it may use this
   * session, or another one; a commit that it makes on this one does not call
   * it again. What it throws is told as a `listenerError`.
   *
   * @param db The session.
   */
  afterCommit?(db: Db): unknown;
  /**
   * Runs after ROLLBACK, as `afterCommit` does after COMMIT. Neither does where
   * the answer to COMMIT was lost (`CommitOutcomeError`).
   *
   * @param db The session.
   */
  afterRollback?(db: Db): unknown;
}

const HOOK_NAMES: OptionNames<SessionHooks<unknown>> = {
  afterBegin: true,
  beforeCommit: true,
  afterCommit: true,
  afterRollback: true,
};

/**
 * Refuses hooks that would never run: what one of them sets may be all that
 * keeps a user's rows from others.
 *
 * @param hooks What was given.
 * @throws {TypeError} When one has another name, or is no function.
 */
export function checkHooks(hooks: object): void {
  checkOptionNames("hooks", hooks, HOOK_NAMES);
  for (const name of Object.keys(HOOK_NAMES)) {
    const hook: unknown = Reflect.get(hooks, name);
    if (hook === undefined || typeof hook === "function") continue;
    throw new TypeError(`Cannot use option "${name}": it is a function`);
  }
}

/**
 * Hooks as the kernel runs them, for one session.
 *
 * @param hooks The sessionmaker's.
 * @param session Given to them.
 * @param runner Makes what `afterBegin` speaks through.
 */
export function coreHooks<Db, Schema extends Record<string, unknown>>(
  hooks: SessionHooks<Db, Schema>,
  session: () => Db,
  runner: () => StatementRunner,
): CoreHooks<SessionHandle> {
  const { afterBegin, beforeCommit, afterCommit, afterRollback } = hooks;
  return {
    ...(afterBegin && {
      afterBegin: (first) =>
        runner().runBlock(
          first,
          async (tx) =>
            // The runner makes nothing but transactions of this schema.
            await afterBegin.call(
              hooks,
              tx as SessionTransaction<Schema>,
              session(),
            ),
        ),
    }),
    ...(beforeCommit && {
      beforeCommit: async () => {
        await beforeCommit.call(hooks, session());
      },
    }),
    ...(afterCommit && {
      afterCommit: () => afterCommit.call(hooks, session()),
    }),
    ...(afterRollback && {
      afterRollback: () => afterRollback.call(hooks, session()),
    }),
  };
}
