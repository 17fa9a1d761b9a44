import type { Connection } from "../driver/connection.ts";
import { orGivenUp } from "../driver/give_up.ts";
import { PoolError } from "../errors/pool_error.ts";
import type { CheckoutOptions, Pool, PoolStatus } from "../pool/pool.ts";
import { lineage, type PoolHolder } from "../driver/pool_holder.ts";
import {
  type OuterTransaction,
  SavepointConnection,
} from "./_savepoint_connection.ts";

/** How long a {@linkcode NestingPool} waits. */
export interface NestingPoolOptions {
  /**
   * Milliseconds that a checkout, or a statement, waits for its turn.
   *
   * @default {30_000}
   */
  readonly timeout?: number;
  /**
   * Milliseconds that the end of the test waits for sessions that are open, and
   * for work behind responses.
   *
   * @default {2_000}
   */
  readonly grace?: number;
}

/** One who has a place inside the outer transaction. */
interface Place {
  readonly holder: PoolHolder | undefined;
  connection: Connection | undefined;
  isReturning: boolean;
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
  /** Between reads that stand alone a session is in nobody's way. */
  readonly reusesConnections = true;

  readonly #outer: OuterTransaction;
  readonly #places: Place[] = [];
  readonly #timeout: number;
  readonly #grace: number;
  #base: PoolHolder | undefined;
  #isOver = false;
  readonly #wakers = new Set<() => void>();
  #waiting = 0;

  /**
   * @param outer The transaction in which all places are.
   * @param options How long it waits.
   */
  constructor(outer: OuterTransaction, options: NestingPoolOptions = {}) {
    const { timeout = 30_000, grace = 2_000 } = options;
    this.#outer = outer;
    this.#timeout = timeout;
    this.#grace = grace;
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
    const deadline = performance.now() + this.#timeout;
    while (!this.#isOver && !this.#mayEnter(holder)) {
      this.#waiting++;
      try {
        await this.#change(deadline, signal);
      } finally {
        this.#waiting--;
      }
    }
    signal?.throwIfAborted();
    if (this.#isOver) throw overError();
    const place: Place = {
      holder,
      connection: undefined,
      isReturning: false,
    };
    this.#places.push(place);
    place.connection = new SavepointConnection(
      this.#outer,
      () => this.#turnOf(place),
    );
    return place.connection;
  }

  /** Takes a place back. */
  async checkin(connection: Connection): Promise<void> {
    const place = this.#places.find((each) => each.connection === connection);
    if (place === undefined) {
      throw new PoolError(
        "POOL_CHECKIN",
        "Cannot checkin connection: this pool has not lent it, or has it back already",
      );
    }
    place.isReturning = true;
    await connection.close();
    this.#places.splice(this.#places.indexOf(place), 1);
    this.#wake();
  }

  /** Resolves when no place is being given back. */
  async idle(): Promise<void> {
    while (this.#places.some(({ isReturning }) => isReturning)) {
      await this.#givenBack();
    }
  }

  /**
   * Ends the test: waits for work behind responses, and for whoever is on the
   * way out, and lets nobody send anything from then on but the test's own
   * session.
   *
   * @param work Ends with the work behind responses.
   * @throws {PoolError} When a session was forgotten.
   */
  async end(work: Promise<void>): Promise<void> {
    const deadline = performance.now() + this.#grace;
    try {
      // What takes longer is told by what it does then.
      await orGivenUp(work, { timeout: this.#grace }).catch(() => {});
      while (this.#places.some((place) => this.#isForgotten(place))) {
        await this.#change(deadline);
      }
    } finally {
      this.#isOver = true;
      this.#wake();
    }
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

  /** Waits until no other place is open inside one. */
  async #turnOf(place: Place): Promise<void> {
    const deadline = performance.now() + this.#timeout;
    while (this.#places.at(-1) !== place && !this.#isOver) {
      await this.#change(deadline);
    }
    // Its connection is somebody else's by and by.
    if (this.#isOver && place.holder !== this.#base) throw overError();
  }

  #isForgotten({ holder, isReturning }: Place): boolean {
    return holder !== this.#base && !isReturning;
  }

  #mayEnter(holder: PoolHolder | undefined): boolean {
    const innermost = this.#places.at(-1);
    if (innermost === undefined) return true;
    if (innermost.holder === undefined) return false;
    if (innermost.holder === this.#base) return true;
    return lineage(holder).has(innermost.holder);
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }

  /** Resolves when the next place is given back. */
  #givenBack(): Promise<void> {
    return new Promise((resolve) => this.#wakers.add(resolve));
  }

  /** Waits for that, and not for ever. */
  async #change(deadline: number, signal?: AbortSignal): Promise<void> {
    await orGivenUp(this.#givenBack(), {
      signal,
      timeout: Math.max(1, deadline - performance.now()),
      onTimeout: () => this.#timeoutError(),
    });
  }

  #timeoutError(): PoolError {
    const name = this.#places.at(-1)?.holder?.name ?? "somebody";
    return new PoolError(
      "POOL_TIMEOUT",
      `Cannot go on: "${name}" is in a transaction, and all sessions of this test share one; end it first`,
    );
  }
}

function overError(): PoolError {
  return new PoolError(
    "POOL_DISPOSED",
    "Cannot go on: the test whose connection this is has ended; close its sessions inside of it",
  );
}
