import type { Deadline } from "../driver/deadline.ts";
import { Deadlines } from "../driver/deadlines.ts";
import type { Driver, SendOptions } from "../driver/driver.ts";
import { orGivenUp } from "../driver/give_up.ts";
import type { Statement } from "../driver/statement.ts";
import {
  checkSettings,
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { sqlstateOf } from "../errors/database_error.ts";
import { NullpoolError } from "../errors/error.ts";
import { wrapDriverError } from "../errors/wrap_driver_error.ts";
import type { Emitter, Listener } from "../events/emitter.ts";
import type { EngineEvent, EventMap } from "../events/event.ts";
import type {
  CheckoutOptions,
  DisposeOptions,
  Pool,
  PoolStatus,
} from "../pool/pool.ts";
import { Requests } from "./_requests.ts";
import { EngineConnection } from "./engine_connection.ts";
import { fly, type Sender, type WrappedFlight } from "./flight.ts";

/** `development` adds call sites to errors and leak reports. */
export type EngineMode = "production" | "development";

/** What may differ between engines that share a pool. */
export interface EngineVariant {
  /** Settings local to each transaction, added to those of the engine. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How transactions run that say nothing else. */
  readonly transaction?: TransactionOptions;
}

const VARIANT_OPTIONS: OptionNames<EngineVariant> = {
  settings: true,
  transaction: true,
};

const DISPOSE_OPTIONS: OptionNames<DisposeOptions> = { deadline: true };

/** What an engine is made of, checked by `createEngine`. */
export interface EngineParts {
  /** Opens connections. */
  readonly driver: Driver;
  /** Lends them. */
  readonly pool: Pool;
  /** Tells what happens. */
  readonly emitter: Emitter;
  /** How much is reported. */
  readonly mode: EngineMode;
  /** Settings local to each transaction. */
  readonly settings: Readonly<Record<string, string>>;
  /** How transactions run that say nothing else. */
  readonly transaction: TransactionOptions;
  /** Whether server texts that may quote values are passed on. */
  readonly exposeServerDetail: boolean;
  /** Whether events have the parameters of statements. */
  readonly exposeParameters: boolean;
  /** Functions that do nothing but compute, by name. */
  readonly pureFunctions: ReadonlySet<string>;
  /** Replicas, which answer reads that may be a little old. */
  readonly readers: readonly Engine[];
  /** Whether it answers from a cache, which transactions go around. */
  readonly isCache: boolean;
}

/** What is going on besides connections. */
interface Work {
  /** What nobody waits for. */
  readonly settling: Set<Promise<void>>;
  /** Such as takes its time, behind a response. */
  readonly tasks: Set<Promise<void>>;
  /** What is sent without a connection. */
  readonly requests: Requests;
  /** Of answers that somebody waits for. */
  readonly deadlines: Deadlines;
}

/** Of all engines of a pool: they are idle, and disposed, together. */
const WORK = new WeakMap<Pool, Work>();

/**
 * A driver, a pool and the options that all sessions share. Make one per
 * process or isolate with `createEngine`; it opens nothing until a session
 * needs a connection.
 *
 * @example Disposed when the process ends
 * ```ts
 * import { createEngine } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(recordingDriver());
 * assertEquals(engine.status().checkedOut, 0);
 * await engine.dispose();
 * ```
 */
export class Engine {
  readonly #parts: EngineParts;
  readonly #work: Work;

  /**
   * Creates an engine; `createEngine` does, and checks the parts.
   *
   * @param parts What it is made of.
   */
  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#work = WORK.get(parts.pool) ?? {
      settling: new Set(),
      tasks: new Set(),
      requests: new Requests(),
      deadlines: new Deadlines(),
    };
    WORK.set(parts.pool, this.#work);
  }

  /**
   * Makes an engine that shares this one's driver, pool and listeners, with
   * other options: an analytics engine that reads only, or one without
   * transactions (`autocommit`). Disposing either disposes both.
   *
   * @example Maintenance
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   * import { assertEquals } from "@std/assert";
   *
   * const driver = recordingDriver();
   * const engine = createEngine(driver);
   * const outside = engine.with({ transaction: { isolationLevel: "autocommit" } });
   * await sessionmaker(outside).begin((db) => db.execute("vacuum"));
   * assertEquals(driver.log, ["connect", "vacuum", "close"]);
   * ```
   *
   * @param options What is different; the rest stays as it is.
   * @returns The engine.
   * @throws {TypeError} When an option has the wrong type.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  with(options: EngineVariant): Engine {
    checkOptionNames("engine.with()", options, VARIANT_OPTIONS);
    checkTransactionOptions(options.transaction ?? {});
    checkSettings(options.settings ?? {});
    return new Engine({
      ...this.#parts,
      settings: { ...this.settings, ...options.settings },
      transaction: { ...this.transaction, ...options.transaction },
      readers: this.#parts.readers.map((reader) => reader.with(options)),
    });
  }

  /** The engines of its replicas, or of its cache. */
  get readers(): readonly Engine[] {
    return this.#parts.readers;
  }

  /** One of them, by chance; nothing where there are none. */
  reader(): Engine | undefined {
    const { readers } = this.#parts;
    return readers[Math.floor(Math.random() * readers.length)];
  }

  /** Whether it answers from a cache, which transactions go around. */
  get isCache(): boolean {
    return this.#parts.isCache;
  }

  /** Opens connections. */
  get driver(): Driver {
    return this.#parts.driver;
  }

  /**
   * How many connections can be in use at once; nothing where neither pool nor
   * driver has a limit.
   */
  get capacity(): number | undefined {
    const { pool, driver } = this.#parts;
    // Of none at all there is nothing to wait for.
    return pool.capacity ?? (this.connects ? driver.maxConnections : undefined);
  }

  /** Whether a connection that is given back is lent again. */
  get reusesConnections(): boolean {
    return this.#parts.pool.reusesConnections ?? false;
  }

  /** How much is reported. */
  get mode(): EngineMode {
    return this.#parts.mode;
  }

  /** Whether events have the parameters of statements. */
  get exposesParameters(): boolean {
    return this.#parts.exposeParameters;
  }

  /** Settings local to each transaction, by name. */
  get settings(): Readonly<Record<string, string>> {
    return this.#parts.settings;
  }

  /** Functions of the user's that do nothing but compute, by name. */
  get pureFunctions(): ReadonlySet<string> {
    return this.#parts.pureFunctions;
  }

  /** How transactions run that say nothing else. */
  get transaction(): TransactionOptions {
    return this.#parts.transaction;
  }

  /**
   * Tells listeners what a session does; sessions call it.
   *
   * @param event What happened.
   */
  emit(event: EngineEvent): void {
    this.#parts.emitter.emit(event);
  }

  /**
   * Whether anybody listens to events of a type.
   *
   * @param type Which events.
   */
  hears(type: keyof EventMap): boolean {
    return this.#parts.emitter.hears(type);
  }

  /**
   * Listens to what happens.
   *
   * @example What is sent
   * ```ts
   * import { createEngine, sessionmaker } from "@nullpool/db";
   * import { recordingDriver } from "@nullpool/db/testing";
   * import { assertEquals } from "@std/assert";
   *
   * const engine = createEngine(recordingDriver());
   * const texts: string[] = [];
   * engine.on("statement", (event) => texts.push(event.text));
   * await sessionmaker(engine).begin((db) => db.execute("select 1"));
   * assertEquals(texts, ["select 1"]);
   * ```
   *
   * @param type Which events.
   * @param listener Called for each.
   * @returns Stops listening.
   * @throws {TypeError} When there are no such events, or it is no function.
   */
  on<Type extends keyof EventMap>(
    type: Type,
    listener: Listener<Type>,
  ): () => void {
    return this.#parts.emitter.on(type, listener);
  }

  /**
   * Borrows a connection; the caller releases it exactly once.
   *
   * @param options When to give up.
   * @returns The connection.
   * @throws {ConnectionError} When none could be opened.
   * @throws {PoolError} When the pool has none to lend.
   */
  async connect(options: CheckoutOptions = {}): Promise<EngineConnection> {
    const { driver, pool, emitter, exposeServerDetail } = this.#parts;
    const { holder: session } = options;
    const start = performance.now();
    let connection;
    try {
      connection = await pool.checkout(options);
    } catch (error) {
      const failure = options.signal?.aborted ? error : wrapDriverError(error, {
        database: driver.describe(),
        connecting: true,
        maybeExecuted: false,
        exposeServerDetail,
      });
      emitter.emit({
        type: "checkoutError",
        session,
        address: driver.address?.(),
        duration: performance.now() - start,
        error: failure instanceof NullpoolError ? failure.code : undefined,
        sqlstate: sqlstateOf(failure),
      });
      throw failure;
    }
    const duration = performance.now() - start;
    const address = driver.address?.();
    emitter.emit({ type: "checkout", session, address, duration });
    return new EngineConnection(connection, this.#parts, session);
  }

  /** Whether there can be connections. */
  get connects(): boolean {
    return this.driver.maxConnections !== 0;
  }

  /**
   * About how many bytes a transaction may have that is sent without a
   * connection; nothing where there is no such transport.
   */
  get maxBatchBytes(): number | undefined {
    return this.sendsTransactions
      ? this.driver.maxBatchBytes ?? Infinity
      : undefined;
  }

  /** How many parameters a statement may have that is sent so. */
  get maxBatchParams(): number {
    return this.driver.maxBatchParams ?? Infinity;
  }

  /** Whether a whole transaction can be sent without a connection. */
  get sendsTransactions(): boolean {
    return this.driver.sendTransaction !== undefined;
  }

  /**
   * Sends a whole transaction as one flight, without a connection.
   *
   * @param statements What it does.
   * @param options How it runs.
   * @param sender Who sends it, and by place who hears of statements that have
   * an event of their own.
   * @returns Its results; it never rejects.
   * @throws {TypeError} When the driver has no such transport.
   */
  sendTransaction(
    statements: readonly Statement[],
    options: SendOptions,
    { tellers, onDone, holder }: Sender = {},
  ): Promise<WrappedFlight> {
    const { driver } = this.#parts;
    const send = driver.sendTransaction?.bind(driver);
    if (send === undefined) {
      return Promise.reject(
        new TypeError(
          `Cannot send a transaction: the driver "${driver.name}" needs a connection`,
        ),
      );
    }
    const { requests } = this.#work;
    return fly(() => requests.send(() => send(statements, options)), {
      statements,
      tellers,
      onDone,
      parts: this.#parts,
      holder,
      isAtomic: true,
    });
  }

  /**
   * Waits for an answer, and not for ever; sessions call it.
   *
   * @param patience Milliseconds without a word of it; 0 waits for ever. From
   * 10 seconds on it may be up to one second more.
   * @param onLate Called when they have passed.
   * @returns Told of what is heard.
   */
  startDeadline(patience: number, onLate: () => void): Deadline {
    return this.#work.deadlines.start(patience, onLate);
  }

  /**
   * Resolves when no connection is being given back or closed, and no work runs
   * behind a response.
   */
  async idle(): Promise<void> {
    await Promise.all(this.#work.tasks);
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#work.settling);
    await this.#parts.pool.idle();
    for (const reader of this.readers) await reader.idle();
  }

  /**
   * Makes `idle()` and `dispose()` wait for something that nobody else waits
   * for; sessions call it.
   *
   * @param work What is going on; it never rejects.
   */
  settle(work: Promise<void>): void {
    keepUntilDone(this.#work.settling, work);
  }

  /**
   * Makes `idle()` wait for work that takes its time, and `dispose()` until its
   * deadline; `background()` calls it.
   *
   * @param work What is going on; it never rejects.
   */
  attend(work: Promise<void>): void {
    keepUntilDone(this.#work.tasks, work);
  }

  /**
   * Closes what is free, lends and sends nothing more, and ends what the driver
   * itself has started. Call it when the process ends (on SIGINT); a Worker has
   * no such moment and needs none.
   *
   * @param options How long holders of connections have, work behind a response,
   * and requests until they are answered; without it that work alone is waited
   * for, however long it takes.
   */
  async dispose(options: DisposeOptions = {}): Promise<void> {
    checkOptionNames("dispose()", options, DISPOSE_OPTIONS);
    await Promise.all([
      this.#parts.pool.dispose(options),
      this.#work.requests.dispose(options),
      ...this.readers.map((reader) => reader.dispose(options)),
      this.#tasksDone(options),
    ]);
    await this.#settled();
    await this.#parts.driver.dispose?.();
  }

  async #tasksDone({ deadline = Infinity }: DisposeOptions): Promise<void> {
    const done = Promise.all(this.#work.tasks);
    if (deadline === Infinity) await done;
    else if (deadline > 0) {
      await orGivenUp(done, { timeout: deadline }).catch(() => {});
    }
  }

  /** Disposes the engine at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** What the pool holds right now. */
  status(): PoolStatus {
    return this.#parts.pool.status();
  }
}

function keepUntilDone(all: Set<Promise<void>>, work: Promise<void>): void {
  all.add(work);
  void work.then(() => all.delete(work));
}
