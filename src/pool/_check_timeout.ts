/**
 * Checks a pool's `timeout`.
 *
 * @param timeout Milliseconds.
 * @returns The same.
 * @throws {RangeError} When it is no number of milliseconds.
 */
export function checkTimeout(timeout: number): number {
  if (Number.isFinite(timeout) && timeout >= 0) return timeout;
  throw new RangeError(
    'Cannot use option "timeout": it is a number of milliseconds, 0 or more',
  );
}
