import { checkNumber } from "../driver/check_number.ts";
import { checkCount } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import {
  CommitOutcomeError,
  ConnectionError,
} from "../errors/connection_error.ts";
import {
  SerializationError,
  StaleDataError,
} from "../errors/database_error.ts";
import type { SessionStats } from "./session_stats.ts";

/** How a unit of work is run again that lost against another one. */
export interface RetryOptions {
  /**
   * How often it is run again, at the most.
   *
   * @default {3}
   */
  readonly times?: number;
  /**
   * Milliseconds between two runs, at the most. They double from 50 on, and a
   * random part of them is waited for, so that those who met once do not meet
   * again.
   *
   * @default {1_000}
   */
  readonly maxDelay?: number;
}

/** Milliseconds before the second run, at the most. */
const FIRST_DELAY = 50;

const RETRY_OPTIONS: OptionNames<RetryOptions> = {
  times: true,
  maxDelay: true,
};

/**
 * Checks options that come from the user.
 *
 * @param options What was given.
 * @throws {RangeError} When one of them is no number that it can be.
 */
export function checkRetry(options: RetryOptions): void {
  checkOptionNames("retry", options, RETRY_OPTIONS);
  const { times = 0, maxDelay = 0 } = options;
  checkCount("retry.times", times, 0);
  checkNumber("retry.maxDelay", maxDelay, "milliseconds");
}

/**
 * How long to wait before the next run: exponential back-off with full jitter
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog).
 *
 * @param failures How many runs have failed.
 * @param options How it is run again.
 * @param random From 0 to 1.
 * @returns Milliseconds.
 */
export function retryDelay(
  failures: number,
  { maxDelay = 1_000 }: RetryOptions,
  random: number,
): number {
  return random * Math.min(maxDelay, FIRST_DELAY * 2 ** (failures - 1));
}

/** What a session has done that running it again would do twice. */
export type DoneWork = Pick<SessionStats, "writes" | "commits">;

/** How many causes of an error are looked at: a chain may be a ring. */
const DEPTH = 8;

/**
 * Whether a unit of work that failed may be run again: it has lost against
 * another one, or the connection was lost before it had sent a write, or was
 * known to be lost before anything was sent behind the writes.
 *
 * @param error What it failed with; somebody may have wrapped it.
 * @param done What its session has done.
 */
export function isRetryable(error: unknown, done: DoneWork): boolean {
  if (done.commits > 0) return false;
  let cause = error;
  for (let depth = 0; depth < DEPTH && cause instanceof Error; depth++) {
    if (cause instanceof CommitOutcomeError) return false;
    if (cause instanceof ConnectionError) return isUndone(cause, done);
    const hasLost = cause instanceof SerializationError ||
      cause instanceof StaleDataError;
    if (hasLost) return true;
    cause = cause.cause;
  }
  return false;
}

function isUndone(
  { code, maybeExecuted }: ConnectionError,
  { writes }: DoneWork,
): boolean {
  // Not what was given up on purpose: it would take as long again.
  const isLost = code === "CONNECT_FAILED" || code === "CONNECTION_LOST";
  return isLost && (!maybeExecuted || writes === 0);
}
