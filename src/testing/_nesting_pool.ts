import type { Connection } from "../driver/connection.ts";
import { PoolError } from "../errors/pool_error.ts";
import type { CheckoutOptions, Pool, PoolStatus } from "../pool/pool.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";
import {
  type OuterTransaction,
  SavepointConnection,
} from "./_savepoint_connection.ts";

/** Milliseconds that a checkout waits for its turn. */
const TIMEOUT = 30_000;

/** One who has a place inside the outer transaction. */
interface Place {
  readonly holder: PoolHolder | undefined;
  connection: Connection | undefined;
}

/**
 * Lends places inside one outer transaction. They nest: whoever waits for
 * somebody to end (a test for the request that it made, a request for its
 * tasks) lends its own place on to them. All others take turns, because one's
 * rollback would undo another one's work.
 */
export class NestingPool implements Pool {
  /** One connection, however deep. */
  readonly capacity = 1;

  readonly #outer: OuterTransaction;
  readonly #places: Place[] = [];
  #base: PoolHolder | undefined;
  readonly #wakers = new Set<() => void>();
  #waiting = 0;

  /** @param outer The transaction in which all places are. */
  constructor(outer: OuterTransaction) {
    this.#outer = outer;
  }

  /**
   * Names the holder that waits for everybody else: the test.
   *
   * @param holder It.
   */
  setBase(holder: PoolHolder): void {
    this.#base = holder;
  }

  /** Borrows a place, when there is one inside which it may be. */
  async checkout(options: CheckoutOptions = {}): Promise<Connection> {
    const { holder, signal } = options;
    const deadline = performance.now() + TIMEOUT;
    while (!this.#mayEnter(holder)) {
      this.#waiting++;
      try {
        await this.#change(deadline, signal);
      } finally {
        this.#waiting--;
      }
    }
    signal?.throwIfAborted();
    const place: Place = { holder, connection: undefined };
    this.#places.push(place);
    place.connection = new SavepointConnection(this.#outer, async () => {
      while (this.#places.at(-1) !== place) await this.#givenBack();
    });
    return place.connection;
  }

  /** Takes a place back. */
  async checkin(connection: Connection): Promise<void> {
    const at = this.#places.findIndex((place) =>
      place.connection === connection
    );
    if (at < 0) {
      throw new PoolError(
        "POOL_CHECKIN",
        "Cannot checkin connection: this pool has not lent it, or has it back already",
      );
    }
    await connection.close();
    this.#places.splice(at, 1);
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }

  /** Resolves when all places are given back. */
  async idle(): Promise<void> {
    while (this.#places.length > 0) await this.#givenBack();
  }

  /** Nothing is kept that could be closed. */
  dispose(): Promise<void> {
    return Promise.resolve();
  }

  /** What is lent now. */
  status(): PoolStatus {
    return {
      checkedOut: this.#places.length,
      idle: 0,
      waiting: this.#waiting,
      closing: 0,
      size: 0,
      overflow: 0,
      waits: 0,
      waitTime: 0,
    };
  }

  #mayEnter(holder: PoolHolder | undefined): boolean {
    const innermost = this.#places.at(-1);
    if (innermost === undefined) return true;
    if (innermost.holder === undefined) return false;
    if (innermost.holder === this.#base) return true;
    for (let each = holder; each !== undefined; each = each.parent) {
      if (each === innermost.holder) return true;
    }
    return false;
  }

  /** Resolves when the next place is given back. */
  #givenBack(): Promise<void> {
    return new Promise((resolve) => this.#wakers.add(resolve));
  }

  /** Waits for that, and not for ever. */
  async #change(deadline: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort: (() => void) | undefined;
    const givenUp = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      timer = setTimeout(
        () => reject(this.#timeoutError()),
        deadline - performance.now(),
      );
    });
    try {
      await Promise.race([this.#givenBack(), givenUp]);
    } finally {
      clearTimeout(timer);
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
  }

  #timeoutError(): PoolError {
    const name = this.#places.at(-1)?.holder?.name ?? "somebody";
    return new PoolError(
      "POOL_TIMEOUT",
      `Cannot checkout connection: "${name}" is in a transaction for ${TIMEOUT} ms, and all sessions of this test share one; end it first`,
    );
  }
}
