import type { SessionHandle } from "../session/session_core.ts";
import type { SessionContext } from "./session_context.ts";
import type { SessionShape } from "./session_shape.ts";
import { SessionTransaction } from "./session_transaction.ts";
import {
  type RunnerContext,
  runnerOf,
  StatementRunner,
} from "./statement_runner.ts";

/**
 * Makes the runner of a handle, and through it those of its nested blocks.
 *
 * @param shape What all sessions of the sessionmaker have in common.
 * @param handle Through whom statements are issued.
 * @param context Where a scoped session follows its nested blocks.
 */
export function runnerFor(
  shape: SessionShape,
  handle: SessionHandle,
  context?: SessionContext,
): StatementRunner {
  return new StatementRunner({
    shape,
    handle: () => handle,
    preparedHandle: () => context ? currentHandle(context) : handle,
    runBlock: blockRunner(shape, context),
  });
}

/**
 * Makes a runner that belongs to whoever is current when a statement runs.
 *
 * @param shape What all sessions of the sessionmaker have in common.
 * @param context Finds the current one.
 */
export function unboundRunner(
  shape: SessionShape,
  context: SessionContext,
): StatementRunner {
  const handle = () => currentHandle(context);
  return new StatementRunner({
    shape,
    handle,
    preparedHandle: handle,
    runBlock: blockRunner(shape, context),
  });
}

function blockRunner(
  shape: SessionShape,
  context: SessionContext | undefined,
): RunnerContext["runBlock"] {
  return (inner, block) => {
    const transaction = new SessionTransaction(
      shape,
      runnerFor(shape, inner, context),
    );
    if (context === undefined) return block(transaction);
    return context.enter(transaction, () => block(transaction));
  };
}

function currentHandle(context: SessionContext): SessionHandle {
  return runnerOf(context.current()).handle;
}
