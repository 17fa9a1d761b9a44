/** Milliseconds that two clocks may differ by before one is not trusted. */
const TOLERANCE = 2;

/** What `performance.now()` has to be added to, for times since 1970. */
export type ClockOffset = number;

/**
 * Where the monotonic clock stands now. It does not know of a computer that
 * slept, or whose time was set; then the other clock counts.
 *
 * @param wall Milliseconds since 1970, as `Date.now()` tells.
 * @param monotonic Milliseconds since `origin`, as `performance.now()` tells.
 * @param origin When that began, as `performance.timeOrigin` tells.
 */
export function clockOffset(
  wall: number = Date.now(),
  monotonic: number = performance.now(),
  origin: number = performance.timeOrigin,
): ClockOffset {
  const drift = wall - (origin + monotonic);
  return Math.abs(drift) <= TOLERANCE ? origin : origin + drift;
}
