import type { Connection } from "../driver/connection.ts";
import { checkMilliseconds } from "./_check_options.ts";
import { isWorkerd } from "../driver/is_workerd.ts";
import { deadlockedBy, describeSlots, type SlotState } from "./_holders.ts";
import { selfDeadlockError, timeoutError } from "./_pool_errors.ts";
import { Presence } from "./_presence.ts";
import type { CheckoutOptions } from "./pool.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import { WaiterQueue } from "./waiter_queue.ts";

/** The right to have one connection open. */
export interface Slot {
  /** What becomes of it. */
  state: SlotState;
  /** Whose it is, where that was said. */
  readonly holder: PoolHolder | undefined;
  /** When it was taken, in milliseconds of `performance.now()`. */
  since: number;
  /** What is open on it; nothing until it is opened. */
  connection: Connection | undefined;
  /** Whether its request is still there, where requests end without a word. */
  readonly presence: Presence | undefined;
}

/** Milliseconds from one look at who is there to the next. */
const LOOK_INTERVAL = 150;

/** How many slots there are, and how long they are waited for. */
export interface SlotsOptions {
  /** At most so many at once. */
  readonly limit: number;
  /** Milliseconds that a checkout waits for one; 0 waits for ever. */
  readonly timeout: number;
  /** Told of a slot, not free yet, whose request has ended without a word. */
  readonly onAbandoned: (slot: Slot) => void;
}

/**
 * The slots of a pool, taken in order of arrival: one for each connection
 * that is being opened, lent, reset or closed. A slot is free again only when
 * the server has let its connection go.
 */
export class Slots {
  /** How many there are. */
  readonly limit: number;
  readonly #timeout: number;
  readonly #onAbandoned: (slot: Slot) => void;
  readonly #canBeAbandoned = isWorkerd();
  readonly #used = new Set<Slot>();
  readonly #arrivals = new WaiterQueue<Slot>();
  /** Checkouts whose connection is being replaced: they had their turn. */
  readonly #replacements = new WaiterQueue<Slot>();
  #waits = 0;
  #waitTime = 0;
  #lookedAt = -Infinity;

  /**
   * @param options How many, and who is told.
   * @throws {RangeError} When `timeout` is not a number of milliseconds.
   */
  constructor({ limit, timeout, onAbandoned }: SlotsOptions) {
    this.limit = limit;
    this.#onAbandoned = onAbandoned;
    this.#timeout = checkMilliseconds("timeout", timeout);
  }

  /** How many are used. */
  get used(): number {
    return this.#used.size;
  }

  /** How many checkouts wait for one. */
  get waiting(): number {
    return this.#replacements.size + this.#arrivals.size;
  }

  /** How many checkouts had to wait so far. */
  get waits(): number {
    return this.#waits;
  }

  /** Milliseconds that they waited, all together. */
  get waitTime(): number {
    return this.#waitTime;
  }

  /**
   * Counts slots.
   *
   * @param state What becomes of them.
   */
  count(state: SlotState): number {
    let count = 0;
    for (const slot of this.#used) if (slot.state === state) count++;
    return count;
  }

  /**
   * Takes a slot if one is free.
   *
   * @param options Who.
   */
  tryTake(options: CheckoutOptions): Slot | undefined {
    // Where nobody ever waits what was lost would add up. Else looks are left to
    // timers: from one to the next of them everybody has a turn to answer.
    if (this.limit === Infinity) this.#look();
    if (this.#used.size >= this.limit) return undefined;
    const slot = this.#newSlot(options.holder);
    this.#used.add(slot);
    return slot;
  }

  /**
   * Waits for a slot.
   *
   * @param options Who, and when to give up.
   * @returns The slot, with the connection on it that somebody gave back.
   * @throws {PoolError} When there will be none.
   */
  wait(options: CheckoutOptions): Promise<Slot> {
    return this.#wait(this.#arrivals, options);
  }

  /**
   * Waits for another slot while the own one is closing, before everybody who
   * arrived later.
   *
   * @param options Who, and when to give up.
   * @returns The slot, with the connection on it that somebody gave back.
   * @throws {PoolError} When there will be none.
   */
  waitAgain(options: CheckoutOptions): Promise<Slot> {
    return this.#wait(this.#replacements, options);
  }

  /**
   * Makes a slot for a connection that was kept without one.
   *
   * @param connection An open one.
   */
  add(connection: Connection): Slot {
    const slot = this.#newSlot(undefined);
    slot.connection = connection;
    this.keep(slot);
    return slot;
  }

  /**
   * Whether a slot is used, and was not taken from one who seemed to have gone.
   *
   * @param slot Which.
   */
  has(slot: Slot): boolean {
    return this.#used.has(slot);
  }

  /**
   * Counts a slot as used, also one that was taken from somebody who seemed to
   * have gone and goes on: better one too many than one that nobody knows of.
   *
   * @param slot Which.
   */
  keep(slot: Slot): void {
    this.#used.add(slot);
  }

  /**
   * Gives a slot on, with what is open on it, or back.
   *
   * @param slot Nobody else's; without a connection where nobody waits.
   */
  free(slot: Slot): void {
    if (!this.#used.delete(slot)) return;
    const next = this.#replacements.serveNext() ?? this.#arrivals.serveNext();
    if (next === undefined) return;
    next.connection = slot.connection;
    next.since = performance.now();
    // Here and not when it runs: the slot is never free in between.
    this.#used.add(next);
  }

  /**
   * Refuses everybody who waits.
   *
   * @param makeError Makes what each is told.
   */
  refuseAll(makeError: () => Error): void {
    this.#replacements.refuseAll(makeError);
    this.#arrivals.refuseAll(makeError);
  }

  async #wait(
    queue: WaiterQueue<Slot>,
    { signal, holder }: CheckoutOptions,
  ): Promise<Slot> {
    const culprit = deadlockedBy(holder, this.#used, this.#holdersWaiting());
    if (holder !== undefined && culprit !== undefined) {
      throw selfDeadlockError(holder, culprit);
    }
    const slot = this.#newSlot(holder);
    const start = performance.now();
    this.#waits++;
    const served = queue.wait(slot, {
      timeout: this.#timeout,
      onTimeout: () => this.#timeoutError(),
      signal,
    });
    try {
      await (this.#canBeAbandoned ? this.#notice(queue, slot, served) : served);
      return slot;
    } finally {
      this.#waitTime += performance.now() - start;
    }
  }

  /**
   * Looks who has gone while somebody waits. Without a timer workerd ends a
   * request that waits for another one. By a timer goes on as well who hears of
   * no other request: a Durable Object inside of its `blockConcurrencyWhile()`.
   */
  async #notice(
    queue: WaiterQueue<Slot>,
    slot: Slot,
    served: Promise<void>,
  ): Promise<void> {
    let endLooks: (() => void) | undefined;
    const noticed = new Promise<void>((resolve) => {
      endLooks = repeat(() => {
        this.#look();
        if (!queue.has(slot)) resolve();
      });
    });
    try {
      await Promise.race([served, noticed]);
      this.keep(slot);
    } finally {
      endLooks?.();
    }
  }

  /** Finds those who have gone. */
  #look(): void {
    if (!this.#canBeAbandoned) return;
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_INTERVAL) return;
    this.#lookedAt = now;
    // First of all those who wait: a slot that is free now is none of theirs.
    // One that is there after all goes on without, and not never.
    for (const queue of [this.#replacements, this.#arrivals]) {
      for (const slot of [...queue.items()]) {
        if (!isThere(slot)) queue.serve(slot);
      }
    }
    for (const slot of [...this.#used]) {
      if (!isThere(slot)) this.#onAbandoned(slot);
    }
  }

  #newSlot(holder: PoolHolder | undefined): Slot {
    return {
      state: "opening",
      holder,
      since: performance.now(),
      connection: undefined,
      presence: this.#canBeAbandoned ? new Presence() : undefined,
    };
  }

  *#holdersWaiting(): Iterable<PoolHolder | undefined> {
    for (const { holder } of this.#replacements.items()) yield holder;
    for (const { holder } of this.#arrivals.items()) yield holder;
  }

  #timeoutError(): Error {
    return timeoutError({
      limit: this.limit,
      timeout: this.#timeout,
      held: describeSlots(this.#used, performance.now()),
    });
  }
}

/** Calls back in a moment, as a wait may be short, and then on and on. */
function repeat(callback: () => void): () => void {
  const first = setTimeout(callback);
  const others = setInterval(callback, LOOK_INTERVAL);
  return () => {
    clearTimeout(first);
    clearInterval(others);
  };
}

function isThere({ presence }: Slot): boolean {
  return presence?.look() ?? true;
}
