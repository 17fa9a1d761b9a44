/** Milliseconds that two clocks may differ by before one is not trusted. */
const TOLERANCE = 2;

/**
 * Tells the time by the monotonic clock. It does not know of a computer that
 * slept, or whose time was set: then it is set by the other one, once. That one
 * counts whole milliseconds, so that times could not be compared any more if
 * it were asked each time.
 */
export class Clock {
  #offset: number;
  readonly #wall: () => number;
  readonly #monotonic: () => number;

  /**
   * @param wall Milliseconds since 1970, as `Date.now()` tells.
   * @param monotonic Milliseconds since `origin`, as `performance.now()` tells.
   * @param origin When that began, as `performance.timeOrigin` tells.
   */
  constructor(
    wall: () => number = () => Date.now(),
    monotonic: () => number = () => performance.now(),
    origin: number = performance.timeOrigin,
  ) {
    this.#wall = wall;
    this.#monotonic = monotonic;
    this.#offset = origin;
  }

  /** What times of `performance.now()` have to be added to, since 1970. */
  offset(): number {
    const drift = this.#wall() - (this.#offset + this.#monotonic());
    if (Math.abs(drift) > TOLERANCE) this.#offset += drift;
    return this.#offset;
  }
}
