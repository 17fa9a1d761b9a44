import { checkNumber } from "../driver/check_number.ts";
import { orGivenUp } from "../driver/give_up.ts";
import { checkSignal } from "../driver/transaction_sql.ts";
import { checkArgument } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { NullpoolError } from "../errors/error.ts";
import { statementTimeoutError } from "./_interruptions.ts";
import { Limits } from "./_limits.ts";

/** What ends the wait for statements. */
export interface WithinOptions {
  /**
   * Milliseconds; 0 sets no limit.
   *
   * @default {0}
   */
  readonly timeout?: number | undefined;
  /**
   * Ends the wait when it fires.
   *
   * @default {none}
   */
  readonly signal?: AbortSignal | undefined;
}

const WITHIN_OPTIONS: OptionNames<WithinOptions> = {
  timeout: true,
  signal: true,
};

/**
 * Waits for work no longer than it may take, or until a signal fires.
 *
 * @param work What is waited for.
 * @param options What ends the wait.
 * @param interrupt Ends the work as well, if that can be done.
 * @returns What the work returns.
 * @throws {ConnectionError} When it was given up.
 * @throws {RangeError} When the timeout is no number of milliseconds.
 * @throws {TypeError} When the signal is none, or there is nothing to wait for.
 */
export async function within<T>(
  work: PromiseLike<T>,
  options: WithinOptions,
  interrupt: (error: NullpoolError) => boolean,
): Promise<T> {
  checkArgument(
    typeof work?.then === "function",
    "use within()",
    "a query or a promise",
  );
  checkOptionNames("within()", options, WITHIN_OPTIONS);
  const { timeout = 0, signal } = options;
  checkNumber("timeout", timeout, "milliseconds");
  checkSignal(signal);
  const givenUp = new AbortController();
  const limits = new Limits((error) => {
    if (interrupt(error)) givenUp.abort(error);
  });
  limits.watch({
    timeout,
    lateError: (late) => statementTimeoutError(late, "timeout"),
    signals: signal === undefined ? [] : [signal],
  });
  try {
    if (givenUp.signal.aborted) {
      // A query begins when it is awaited; a promise has begun, and now fails.
      if (work instanceof Promise) work.catch(() => {});
      throw givenUp.signal.reason;
    }
    return await orGivenUp(Promise.resolve(work), { signal: givenUp.signal });
  } finally {
    limits.stop();
  }
}
