/** One who waits. */
interface Waiter {
  readonly serve: () => void;
  readonly refuse: (error: unknown) => void;
}

/** How long somebody waits. */
export interface WaitOptions {
  /** Milliseconds until `onTimeout` makes the error; 0 waits for ever. */
  readonly timeout: number;
  /** Makes the error of a wait that took too long. */
  readonly onTimeout: () => Error;
  /** Gives up the wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A queue: first come, first served. One that gives up leaves the others
 * alone.
 *
 * @typeParam Item What tells those who wait apart.
 */
export class WaiterQueue<Item> {
  readonly #waiters = new Map<Item, Waiter>();

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Who waits, in order of arrival. */
  items(): Iterable<Item> {
    return this.#waiters.keys();
  }

  /**
   * Whether one waits still.
   *
   * @param item Who.
   */
  has(item: Item): boolean {
    return this.#waiters.has(item);
  }

  /**
   * Waits for {@linkcode serveNext}.
   *
   * @param item Who waits; not in the queue already.
   * @param options How long.
   * @throws What `onTimeout` makes, or the signal's reason.
   */
  async wait(
    item: Item,
    { timeout, onTimeout, signal }: WaitOptions,
  ): Promise<void> {
    signal?.throwIfAborted();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort: (() => void) | undefined;
    try {
      await new Promise<void>((serve, reject) => {
        // One who gave up leaves at once and not when it runs: served in
        // between, it would take along what it was served with.
        const refuse = (error: unknown) => {
          this.#waiters.delete(item);
          reject(error);
        };
        this.#waiters.set(item, { serve, refuse });
        onAbort = () => refuse(signal?.reason);
        signal?.addEventListener("abort", onAbort);
        if (timeout > 0) timer = setTimeout(() => refuse(onTimeout()), timeout);
      });
    } finally {
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Lets the first one go on.
   *
   * @returns It, if there was one.
   */
  serveNext(): Item | undefined {
    for (const item of this.#waiters.keys()) {
      this.serve(item);
      return item;
    }
    return undefined;
  }

  /**
   * Lets one go on, out of turn.
   *
   * @param item Who waits; nothing happens if it does not.
   */
  serve(item: Item): void {
    const waiter = this.#waiters.get(item);
    this.#waiters.delete(item);
    waiter?.serve();
  }

  /**
   * Refuses everybody.
   *
   * @param makeError Makes what each is told.
   */
  refuseAll(makeError: () => Error): void {
    for (const waiter of this.#waiters.values()) waiter.refuse(makeError());
  }
}
