import { type Deadline, ExactDeadline } from "./deadline.ts";
import { isWorkerd } from "./is_workerd.ts";

/** Milliseconds between two looks at who waits. */
const INTERVAL = 1_000;

/** Milliseconds from which on an end may come one look later. */
const LONG = 10_000;

/**
 * Ends what waits for too long: long waits with one timer for all of them. A
 * timer for each flight, to be taken back when it is answered, was a twentieth
 * of the CPU that a request takes.
 *
 * The timer is a signal's. While nobody listens to it, it keeps no process
 * alive, and no test's sanitizer takes it for a leak, so that nobody has to stop
 * it when the last wait has ended.
 */
export class Deadlines {
  readonly #waits = new Set<LongDeadline>();
  readonly #interval: number;
  /** A Worker's timers are those of one request. */
  readonly #shares = !isWorkerd();
  readonly #look = this.#endLate.bind(this);
  #signal: AbortSignal | undefined;
  #startedAt = -Infinity;

  /** @param interval Milliseconds between two looks. */
  constructor(interval = INTERVAL) {
    this.#interval = interval;
  }

  /**
   * Starts to wait.
   *
   * @param patience Milliseconds; 0 waits for ever.
   * @param onLate Called when they have passed.
   */
  start(patience: number, onLate: () => void): Deadline {
    return this.#shares && patience >= LONG
      ? this.share(patience, onLate)
      : new ExactDeadline(patience, onLate);
  }

  /**
   * Starts to wait, and ends up to one look too late.
   *
   * @param patience Milliseconds.
   * @param onLate Called when they have passed.
   */
  share(patience: number, onLate: () => void): Deadline {
    const wait = new LongDeadline(patience, onLate, this);
    if (this.#waits.size === 0 || !this.#isRunning(wait.heardAt)) {
      this.#listen(wait.heardAt);
    }
    this.#waits.add(wait);
    return wait;
  }

  /**
   * Waits no more.
   *
   * @param wait For which.
   */
  end(wait: LongDeadline): void {
    const isLast = this.#waits.delete(wait) && this.#waits.size === 0;
    if (isLast) this.#signal?.removeEventListener("abort", this.#look);
  }

  /**
   * Whether the next look will come: a host that has ended the request whose
   * timer it was never fires it.
   */
  #isRunning(now: number): boolean {
    const isOverdue = now > this.#startedAt + 2 * this.#interval;
    return this.#signal?.aborted === false && !isOverdue;
  }

  #listen(now: number): void {
    if (!this.#isRunning(now)) {
      this.#signal?.removeEventListener("abort", this.#look);
      this.#signal = AbortSignal.timeout(this.#interval);
      this.#startedAt = now;
    }
    this.#signal?.addEventListener("abort", this.#look);
  }

  #endLate(): void {
    const now = performance.now();
    for (const wait of [...this.#waits]) {
      if (now < wait.heardAt + wait.patience) continue;
      // The one before it may have ended it.
      if (this.#waits.delete(wait)) wait.onLate();
    }
    if (this.#waits.size > 0) this.#listen(now);
  }
}

/** One that is looked at now and then. */
class LongDeadline implements Deadline {
  readonly patience: number;
  readonly onLate: () => void;
  /** When something was heard last. */
  heardAt: number = performance.now();
  readonly #all: Deadlines;

  constructor(patience: number, onLate: () => void, all: Deadlines) {
    this.patience = patience;
    this.onLate = onLate;
    this.#all = all;
  }

  heard(): void {
    this.heardAt = performance.now();
  }

  clear(): void {
    this.#all.end(this);
  }
}
