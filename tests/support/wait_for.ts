const POLL_INTERVAL = 5;

/**
 * Resolves as soon as the predicate holds; rejects if it does not hold before
 * the deadline. For what another process does in its own time: a backend that
 * ends, a lock that is waited for.
 *
 * @param predicate Asked every few milliseconds.
 * @param deadlineMs Milliseconds.
 */
export async function waitFor(
  predicate: () => boolean | Promise<boolean>,
  deadlineMs = 5_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await predicate())) {
    if (performance.now() > end) {
      throw new Error(
        `Condition did not hold within ${deadlineMs} ms: ${predicate}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
  }
}
