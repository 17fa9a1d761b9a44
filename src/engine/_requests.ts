import { checkNumber } from "../driver/check_number.ts";
import { orGivenUp } from "../driver/give_up.ts";
import { PoolError } from "../errors/pool_error.ts";
import type { DisposeOptions } from "../pool/pool.ts";

/** Transactions that are sent without a connection: no pool knows of them. */
export class Requests {
  readonly #running = new Set<Promise<unknown>>();
  #isDisposed = false;

  /**
   * Sends one.
   *
   * @param request Sends it.
   * @returns Its answer.
   * @throws {PoolError} When they were disposed.
   */
  async send<T>(request: () => Promise<T>): Promise<T> {
    if (this.#isDisposed) {
      throw new PoolError(
        "POOL_DISPOSED",
        "Cannot send: the engine was disposed",
      );
    }
    const running = request();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Sends nothing more.
   *
   * @param options How long those that were sent are waited for.
   * @throws {RangeError} When `deadline` is not a number of milliseconds.
   */
  async dispose({ deadline = 0 }: DisposeOptions): Promise<void> {
    checkNumber("deadline", deadline, "milliseconds");
    this.#isDisposed = true;
    if (deadline === 0 || this.#running.size === 0) return;
    try {
      await orGivenUp(Promise.allSettled(this.#running), { timeout: deadline });
    } catch {
      // Cut off, nobody would know what became of them.
    }
  }
}
