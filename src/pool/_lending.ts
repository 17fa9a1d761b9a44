import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { checkMilliseconds } from "./_check_options.ts";
import { disposedError, notLentError } from "./_pool_errors.ts";
import { type Slot, Slots, type SlotsOptions } from "./_slots.ts";
import type { CheckoutOptions, DisposeOptions, PoolStatus } from "./pool.ts";

/** How many connections are open, and how many are kept. */
export interface LendingOptions extends Omit<SlotsOptions, "onAbandoned"> {
  /** Connections kept at most; `Infinity` keeps all. */
  readonly size: number;
  /** Whether the connection given back last is lent first. */
  readonly lifo?: boolean;
}

/**
 * What pools have in common: connections opened on slots, lent, taken back,
 * kept and closed, each exactly once.
 *
 * Connections that are kept hold no slot, but used slots and kept connections
 * together never exceed the limit: a checkout takes a kept connection along
 * with its slot, and keeping one gives a slot back.
 */
export class Lending {
  readonly #driver: Driver;
  readonly #size: number;
  readonly #lifo: boolean;
  readonly #slots: Slots;
  readonly #kept: Connection[] = [];
  readonly #lent = new Map<Connection, Slot>();
  /** Closed under their holders, who will give them back all the same. */
  readonly #revoked = new WeakSet<Connection>();
  /** Of holders that seemed to have gone; they may give them back after all. */
  readonly #abandoned = new WeakMap<Connection, Slot>();
  readonly #watchers = new Set<() => void>();
  #disposed = false;

  /**
   * @param driver Opens the connections.
   * @param options How many.
   * @throws {RangeError} When `timeout` is not a number of milliseconds.
   */
  constructor(driver: Driver, options: LendingOptions) {
    this.#driver = driver;
    this.#size = options.size;
    this.#lifo = options.lifo ?? false;
    this.#slots = new Slots({
      ...options,
      onAbandoned: (slot) => this.#abandon(slot),
    });
  }

  /** How many it lends at once; nothing where there is no limit. */
  get capacity(): number | undefined {
    const { limit } = this.#slots;
    return Number.isFinite(limit) ? limit : undefined;
  }

  /**
   * Takes a slot, and a connection that was kept or given on, if there is
   * one.
   *
   * @param options Who, and when to give up.
   * @throws {PoolError} When there will be none.
   */
  async take(options: CheckoutOptions): Promise<Slot> {
    this.#check(options);
    return this.#tryTake(options) ?? await this.#slots.wait(options);
  }

  /**
   * Closes the connection of a checkout, which goes on with another slot.
   *
   * @param slot The checkout's.
   * @param options Who, and when to give up.
   * @returns A slot, with a connection that was kept or given on, if there is
   * one.
   * @throws {PoolError} When there will be none.
   */
  async replace(slot: Slot, options: CheckoutOptions): Promise<Slot> {
    void this.close(slot);
    this.#check(options);
    return this.#tryTake(options) ?? await this.#slots.waitAgain(options);
  }

  /**
   * Opens a connection on a slot that has none, and lends it. Whatever goes
   * wrong, the slot is given on.
   *
   * @param slot The checkout's.
   * @param options When to give up.
   * @returns The connection.
   * @throws What the driver throws, the signal's reason, or that the pool was
   * disposed.
   */
  async open(slot: Slot, options: CheckoutOptions): Promise<Connection> {
    try {
      this.#check(options);
      const { signal, holder } = options;
      slot.connection = await this.#driver.connect({ signal, holder });
      this.#check(options);
      return this.#lend(slot, slot.connection);
    } catch (error) {
      void this.close(slot);
      throw error;
    }
  }

  /**
   * Lends the connection that was kept or given on, unless its checkout was
   * given up meanwhile: then it is given on.
   *
   * @param slot The checkout's.
   * @param connection What is open on it.
   * @param options When to give up.
   * @returns The connection.
   * @throws The signal's reason, or that the pool was disposed.
   */
  lend(
    slot: Slot,
    connection: Connection,
    options: CheckoutOptions,
  ): Connection {
    try {
      this.#check(options);
    } catch (error) {
      void this.giveBack(slot);
      throw error;
    }
    return this.#lend(slot, connection);
  }

  /**
   * Takes a connection from its holder; the slot stays used.
   *
   * @param connection What was lent.
   * @returns Its slot, or nothing if it was closed under its holder.
   * @throws {PoolError} When it is not lent.
   */
  takeBack(connection: Connection): Slot | undefined {
    const slot = this.#lent.get(connection) ??
      this.#abandoned.get(connection);
    if (slot === undefined) {
      if (this.#revoked.delete(connection)) return undefined;
      throw notLentError("checkin");
    }
    this.#lent.delete(connection);
    this.#abandoned.delete(connection);
    slot.connection = connection;
    slot.state = "returning";
    return slot;
  }

  /**
   * Says that a connection comes back by itself: it is lent until then, and
   * nobody who waits for it waits in vain.
   *
   * @param connection What was lent; nothing happens if it is not.
   */
  expect(connection: Connection): void {
    const slot = this.#lent.get(connection);
    if (slot !== undefined) slot.state = "returning";
  }

  /**
   * Gives a connection on to whoever waits, or keeps it, or closes it where
   * enough are kept. While somebody waits none is.
   *
   * @param slot Taken back from its holder.
   * @returns Settles when it is free for others, or closed.
   */
  async giveBack(slot: Slot): Promise<void> {
    const { connection } = slot;
    const isOwn = this.#slots.has(slot);
    if (this.#disposed || !isOwn || this.#kept.length >= this.#size) {
      await this.close(slot);
      return;
    }
    if (this.#slots.waiting === 0 && connection !== undefined) {
      this.#kept.push(connection);
      slot.connection = undefined;
    }
    this.#free(slot);
  }

  /**
   * Closes what is open on a slot, and gives the slot on when it is closed.
   *
   * @param slot Nobody else's.
   * @returns Settles when it is closed.
   */
  async close(slot: Slot): Promise<void> {
    slot.state = "returning";
    try {
      if (slot.connection !== undefined) await slot.connection.close();
    } catch {
      // A driver of somebody else's may reject; there is no more to close.
    } finally {
      slot.connection = undefined;
      this.#free(slot);
    }
  }

  /**
   * Closes a connection wherever it is. Its holder, if it has one, may give it
   * back all the same.
   *
   * @param connection One of this pool; nothing happens if it is closed.
   * @returns Settles when it is closed.
   */
  async revoke(connection: Connection): Promise<void> {
    const place = this.#kept.indexOf(connection);
    if (place >= 0) {
      this.#kept.splice(place, 1);
      await this.close(this.#slots.add(connection));
    } else if (this.#lent.has(connection)) {
      const slot = this.takeBack(connection);
      this.#revoked.add(connection);
      if (slot !== undefined) await this.close(slot);
    }
  }

  /** Closes what is kept, and settles when it is closed. */
  async closeKept(): Promise<void> {
    await Promise.all([...this.#kept].map((kept) => this.revoke(kept)));
  }

  /**
   * Forgets a connection: its holder closes it.
   *
   * @param connection What was lent.
   * @throws {PoolError} When it is not lent.
   */
  detach(connection: Connection): void {
    const slot = this.#lent.get(connection);
    if (slot === undefined) throw notLentError("detach");
    this.#lent.delete(connection);
    slot.connection = undefined;
    this.#free(slot);
  }

  /** Resolves when nothing is being given back or closed. */
  idle(): Promise<void> {
    return this.#until(() => this.#slots.count("returning") === 0);
  }

  /**
   * Refuses everybody from now on, closes what is kept, and waits for what is
   * on its way.
   *
   * @param options How long for those who hold a connection.
   * @throws {RangeError} When `deadline` is not a number of milliseconds.
   */
  async dispose({ deadline }: DisposeOptions): Promise<void> {
    if (deadline !== undefined) checkMilliseconds("deadline", deadline);
    this.#disposed = true;
    this.#slots.refuseAll(disposedError);
    void this.closeKept();
    if (deadline === undefined) {
      // What is being opened is closed as soon as it is open.
      await this.#until(() => this.#slots.used === this.#lent.size);
      return;
    }
    await this.#until(() => this.#slots.used === 0, deadline);
    for (const connection of this.#lent.keys()) void this.revoke(connection);
    await this.idle();
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    const checkedOut = this.#lent.size;
    const idle = this.#kept.length;
    const size = Number.isFinite(this.#size) ? this.#size : 0;
    return {
      checkedOut,
      idle,
      waiting: this.#slots.waiting,
      closing: this.#slots.used - checkedOut - this.#slots.count("opening"),
      size,
      overflow: size === 0 ? 0 : checkedOut + idle - size,
      waits: this.#slots.waits,
      waitTime: this.#slots.waitTime,
    };
  }

  #check({ signal }: CheckoutOptions): void {
    if (this.#disposed) throw disposedError();
    signal?.throwIfAborted();
  }

  #tryTake(options: CheckoutOptions): Slot | undefined {
    const slot = this.#slots.tryTake(options);
    if (slot === undefined) return undefined;
    // In the same turn, or others would count on the same connection.
    slot.connection = this.#lifo ? this.#kept.pop() : this.#kept.shift();
    return slot;
  }

  #lend(slot: Slot, connection: Connection): Connection {
    slot.state = "lent";
    this.#slots.keep(slot);
    this.#lent.set(connection, slot);
    return connection;
  }

  /**
   * Lends a slot to others whose request has ended. What is open on it nobody
   * else can close; the runtime does.
   */
  #abandon(slot: Slot): void {
    const { connection } = slot;
    if (connection !== undefined && this.#lent.delete(connection)) {
      this.#abandoned.set(connection, slot);
    }
    slot.connection = undefined;
    this.#free(slot);
  }

  #free(slot: Slot): void {
    this.#slots.free(slot);
    for (const look of this.#watchers) look();
  }

  async #until(isDone: () => boolean, timeout?: number): Promise<void> {
    if (isDone()) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let look: (() => void) | undefined;
    try {
      await new Promise<void>((resolve) => {
        look = () => isDone() && resolve();
        this.#watchers.add(look);
        if (timeout !== undefined) timer = setTimeout(resolve, timeout);
      });
    } finally {
      clearTimeout(timer);
      if (look) this.#watchers.delete(look);
    }
  }
}
