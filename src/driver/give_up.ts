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
export async function orGivenUp<T>(
  work: Promise<T>,
  { signal, timeout = 0, onTimeout }: Patience,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort = () => {};
  const givenUp = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort);
    if (timeout > 0) {
      const tooLong = () => new Error(`no answer for ${timeout} ms`);
      timer = setTimeout(() => reject((onTimeout ?? tooLong)()), timeout);
    }
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
