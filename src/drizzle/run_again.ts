import { orGivenUp } from "../driver/give_up.ts";
import { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import {
  isRetryable,
  retryDelay,
  type RetryOptions,
} from "../session/retry_policy.ts";
import type { Session } from "./session.ts";

/** What runs a unit of work, by the session that it does so with. */
export interface WithSession {
  /** Each run has its own, whatever its schema. */
  readonly session: Pick<
    Session,
    "engine" | "holder" | "stats" | "close" | "closed"
  >;
}

/**
 * A unit of work that can be run more than once.
 *
 * @typeParam Run What runs it.
 * @typeParam T What it returns.
 */
export interface Repeatable<Run extends WithSession, T> {
  /** Opens a session. */
  readonly open: () => Run;
  /**
   * Does the work. Who closes the session, and not `close`, says ahead of that
   * what it failed with: nobody is told of a session that has ended.
   */
  readonly run: (run: Run, onFailure: OnFailure) => Promise<T>;
  /** Closes its session, unless `run` has seen to that. */
  readonly close?: (run: Run) => Promise<void>;
  /** Why it cannot be run again, if it cannot. */
  readonly refusal?: () => string | undefined;
}

/** Told why a run has failed, when all that it did is undone. */
export type OnFailure = (error: unknown) => void;

/** What follows a run that has failed. */
type Verdict = { readonly delay: number } | { readonly failure: unknown };

/** How often a unit of work is run. */
export interface RunAgainOptions {
  /** How it is run again; nothing runs it once. */
  readonly retry: RetryOptions | undefined;
  /** Ends the wait between two runs. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs a unit of work, again and again where it has lost against another one;
 * never where it may have written already.
 *
 * @typeParam Run What runs it.
 * @typeParam T What it returns.
 * @param work What to run.
 * @param options How often, and after how long.
 * @returns What it returned.
 * @throws What it threw last.
 * @throws {StateError} `RETRY_REFUSED` when it cannot be run again.
 */
export async function runAgain<Run extends WithSession, T>(
  { open, run, close, refusal }: Repeatable<Run, T>,
  { retry, signal }: RunAgainOptions,
): Promise<T> {
  const times = retry === undefined ? 0 : retry.times ?? 3;
  function judge(
    { session }: Run,
    failures: number,
    error: unknown,
  ): Verdict {
    if (failures > times || !isRetryable(error, session.stats)) {
      return { failure: error };
    }
    const reason = refusal?.();
    if (reason !== undefined) return { failure: refusedError(reason, error) };
    const delay = retryDelay(failures, retry ?? {}, Math.random());
    const code = error instanceof NullpoolError ? error.code : undefined;
    session.engine.emit({
      type: "retry",
      session: session.holder,
      failures,
      delay,
      error: code,
    });
    return { delay };
  }
  for (let failures = 1;; failures++) {
    const one = open();
    let verdict: Verdict | undefined;
    const onFailure = (error: unknown) =>
      verdict ??= judge(one, failures, error);
    try {
      return await run(one, onFailure);
    } catch (error) {
      const next = onFailure(error);
      if ("failure" in next) throw next.failure;
      // Its locks would be in the way.
      await one.session.close();
      await one.session.closed;
      await pause(next.delay, signal, error);
    } finally {
      await close?.(one);
    }
  }
}

/** Waits; who gives up meanwhile is told what had failed. */
async function pause(
  delay: number,
  signal: AbortSignal | undefined,
  error: unknown,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, delay);
  });
  try {
    await orGivenUp(waited, { signal });
  } catch {
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function refusedError(reason: string, cause: unknown): StateError {
  return new StateError(
    "RETRY_REFUSED",
    `Cannot run it again: ${reason}`,
    { cause },
  );
}
