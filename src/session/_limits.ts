import { ExactDeadline } from "../driver/deadline.ts";
import type { NullpoolError } from "../errors/error.ts";
import { abortedError } from "./_interruptions.ts";
import { onAbort } from "./_on_abort.ts";

/** What work is bound by. */
export interface LimitOptions {
  /** Milliseconds; 0 sets no limit. */
  readonly timeout: number;
  /** Makes the error of work that took longer. */
  readonly lateError: (timeout: number) => NullpoolError;
  /** Any of them ends it. */
  readonly signals: readonly AbortSignal[];
}

/** Timers and listeners of whose work nobody knows any more. */
const DROPPED = typeof FinalizationRegistry === "function"
  ? new FinalizationRegistry<() => void>((stop) => stop())
  : undefined;

/** What ends work before its time: a deadline, or a signal. */
export class Limits {
  readonly #interrupt: (error: NullpoolError) => void;
  #stop: (() => void) | undefined;
  #fired: NullpoolError | undefined;

  /** @param interrupt Ends the work; called once. */
  constructor(interrupt: (error: NullpoolError) => void) {
    this.#interrupt = interrupt;
  }

  /** Why it has ended the work, if it has. */
  get fired(): NullpoolError | undefined {
    return this.#fired;
  }

  /**
   * Watches from now on, for these and no others.
   *
   * @param options What ends the work.
   */
  watch({ timeout, lateError, signals }: LimitOptions): void {
    this.#stop?.();
    const held = weakly(this);
    function fire(error: NullpoolError): void {
      const limits = held.deref();
      if (limits !== undefined) limits.#fire(error);
    }
    const deadline = new ExactDeadline(
      timeout,
      () => fire(lateError(timeout)),
    );
    const unwatch = signals.map((each) =>
      onAbort(each, (reason) => fire(abortedError(reason)))
    );
    const stop = () => {
      deadline.clear();
      for (const each of unwatch) each();
      DROPPED?.unregister(stop);
    };
    DROPPED?.register(this, stop, stop);
    this.#stop = stop;
  }

  /** Watches no more. */
  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #fire(error: NullpoolError): void {
    if (this.#fired !== undefined) return;
    this.#fired = error;
    this.#interrupt(error);
  }
}

/**
 * What is only kept by who else keeps it: a signal that outlives a session, or
 * a timer, would hide that it was dropped. Some Workers have no such class, by
 * their compatibility date.
 */
function weakly<T extends object>(kept: T): { deref(): T | undefined } {
  return typeof WeakRef === "function"
    ? new WeakRef(kept)
    : { deref: () => kept };
}
