/** When a wait is given up. */
export interface Patience {
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; 0 waits for ever. */
  readonly timeout?: number | undefined;
  /** Makes the error of a wait that took too long. */
  readonly onTimeout?: (() => Error) | undefined;
}

/**
 * Waits for work, and not for ever. The work itself goes on.
 *
 * @param work What is waited for.
 * @param patience When it is given up.
 * @returns What the work came to.
 * @throws What the work throws, the signal's reason, or what `onTimeout` makes.
 */
export function orGivenUp<T>(
  work: Promise<T>,
  { signal, timeout = 0, onTimeout = () => tooLong(timeout) }: Patience,
): Promise<T> {
  // One promise: this is around every request, and a race makes four.
  return new Promise((resolve, reject) => {
    const onAbort = () => end(reject, signal?.reason);
    const timer = timeout > 0
      ? setTimeout(() => end(reject, onTimeout()), timeout)
      : undefined;
    function end<V>(settle: (value: V) => void, value: V): void {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle(value);
    }
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort);
    work.then((value) => end(resolve, value), (error) => end(reject, error));
  });
}

function tooLong(timeout: number): Error {
  return new Error(`no answer for ${timeout} ms`);
}
