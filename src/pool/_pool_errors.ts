import { PoolError } from "../errors/pool_error.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";

/** The error of a checkout after `dispose`. */
export function disposedError(): PoolError {
  return new PoolError(
    "POOL_DISPOSED",
    "Cannot checkout connection: the pool was disposed",
  );
}

/**
 * The error of a call with a connection that is not lent.
 *
 * @param action What was asked for, such as `checkin`.
 */
export function notLentError(action: string): PoolError {
  return new PoolError(
    "POOL_CHECKIN",
    `Cannot ${action} connection: this pool has not lent it, or has it back already`,
  );
}

/** What is known when a checkout has waited too long. */
export interface TimeoutFacts {
  /** How many slots there are, all in use. */
  readonly limit: number;
  /** Milliseconds waited. */
  readonly timeout: number;
  /** Who has the slots. */
  readonly held: string;
}

/**
 * The error of a checkout that waited too long.
 *
 * @param facts Who has the slots.
 */
export function timeoutError(facts: TimeoutFacts): PoolError {
  const { limit, timeout, held } = facts;
  return new PoolError(
    "POOL_TIMEOUT",
    `Cannot checkout connection: ${limit} of ${limit} in use for ${timeout} ms (${held})`,
  );
}

/**
 * The error of a checkout that would wait for itself.
 *
 * @param waiter Who would wait.
 * @param culprit Who has the connection: the same one, or a parent.
 */
export function selfDeadlockError(
  waiter: PoolHolder,
  culprit: PoolHolder,
): PoolError {
  return new PoolError(
    "POOL_SELF_DEADLOCK",
    `Cannot checkout connection: "${waiter.name}" would wait for the connection of "${culprit.name}", which waits for it; end that transaction first`,
  );
}
