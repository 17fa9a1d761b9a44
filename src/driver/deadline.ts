/** Fires once when nothing was heard for some time. */
export interface Deadline {
  /** Starts to wait anew. */
  heard(): void;
  /** Waits no more. */
  clear(): void;
}

/** One with a timer of its own, which fires on time. */
export class ExactDeadline implements Deadline {
  readonly #patience: number;
  readonly #onLate: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heardAt: number | undefined;

  /**
   * Starts to wait.
   *
   * @param patience Milliseconds; 0 waits for ever.
   * @param onLate Called when they have passed.
   */
  constructor(patience: number, onLate: () => void) {
    this.#patience = patience;
    this.#onLate = onLate;
    if (patience > 0) this.#wait(patience);
  }

  /** Starts to wait anew. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Waits no more. */
  clear(): void {
    clearTimeout(this.#timer);
  }

  #wait(duration: number): void {
    // Longer ones than a timer can count would fire at once.
    const delay = Math.min(duration, MAX_DELAY);
    this.#timer = setTimeout(() => this.#check(duration - delay), delay);
  }

  /** One timer for all that was heard costs less than one each. */
  #check(left: number): void {
    const heardAt = this.#heardAt;
    this.#heardAt = undefined;
    const rest = heardAt === undefined
      ? left
      : heardAt + this.#patience - performance.now();
    if (rest > 0) this.#wait(rest);
    else this.#onLate();
  }
}

/** Milliseconds that a timer can count: more are 32 bits no longer. */
const MAX_DELAY = 2 ** 31 - 1;
