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

/** A queue: first come, first served. One that gives up leaves the others alone. */
export class WaiterQueue {
  readonly #waiters = new Set<Waiter>();

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for {@linkcode serveNext}.
   *
   * @param options How long.
   * @throws What `onTimeout` makes, or the signal's reason.
   */
  async wait({ timeout, onTimeout, signal }: WaitOptions): Promise<void> {
    signal?.throwIfAborted();
    let waiter: Waiter | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort: (() => void) | undefined;
    try {
      await new Promise<void>((serve, refuse) => {
        this.#waiters.add(waiter = { serve, refuse });
        onAbort = () => refuse(signal?.reason);
        signal?.addEventListener("abort", onAbort);
        if (timeout > 0) timer = setTimeout(() => refuse(onTimeout()), timeout);
      });
    } finally {
      if (waiter) this.#waiters.delete(waiter);
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Lets the first one go on.
   *
   * @returns Whether there was one.
   */
  serveNext(): boolean {
    for (const waiter of this.#waiters) {
      // Removed here and not when it runs: until then it would be served twice.
      this.#waiters.delete(waiter);
      waiter.serve();
      return true;
    }
    return false;
  }

  /**
   * Refuses everybody.
   *
   * @param error What they are told.
   */
  refuseAll(error: unknown): void {
    for (const waiter of this.#waiters) waiter.refuse(error);
    this.#waiters.clear();
  }
}
