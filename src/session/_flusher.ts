import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Statement } from "../driver/statement.ts";
import { isAutocommit } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import { mayCascade } from "../unit_of_work/change_set.ts";
import type { KnownEntities } from "../unit_of_work/known_entities.ts";
import { UnitOfWork } from "../unit_of_work/unit_of_work.ts";
import type { Refusal } from "../unit_of_work/written_rows.ts";
import { autocommitError, firstFailure } from "./_refusals.ts";
import { RunningFlush } from "./_running_flush.ts";
import type { StatementTables } from "./statement_tables.ts";
import type { Transaction } from "./transaction.ts";

/** Told which tables a flush writes, when its statements are sent. */
export type FlushListener = (
  tables: readonly string[],
  statements: readonly Statement[],
) => void;

/** What the changes of a session have to do with. */
interface FlusherOptions {
  /** The session, as events tell it. */
  readonly holder: PoolHolder;
  /** Told of every flush. */
  readonly onFlush?: FlushListener | undefined;
  /** Knows the entities of all sessions. */
  readonly known?: KnownEntities | undefined;
}

/** How a flush is sent. */
interface RunOptions {
  /** Whether statements yet unknown may refer to what it makes. */
  readonly publishAll: boolean;
  /** Whether it waits for the next statement. */
  readonly isHeld?: boolean;
}

/** Brings the changes of a unit of work to the server, and its answers back. */
export class Flusher {
  /** The changes, and what is known of rows. */
  readonly work: UnitOfWork;
  readonly #engine: Engine;
  readonly #options: FlusherOptions;
  /** Flushes whose answers were not taken in yet. */
  readonly #running = new Set<Promise<unknown>>();
  /** How many `noAutoflush` blocks run. */
  #held = 0;

  /**
   * @param engine Told of every flush.
   * @param options Of its session.
   */
  constructor(engine: Engine, options: FlusherOptions) {
    this.work = new UnitOfWork(options.known);
    this.#engine = engine;
    this.#options = options;
  }

  /**
   * The flushes that were begun so far: what comes behind them has to wait
   * until their answers are taken in.
   *
   * @returns Settles when they are, and never rejects; nothing where none runs.
   */
  get settled(): Promise<unknown> | undefined {
    if (this.#running.size === 0) return undefined;
    return Promise.allSettled(this.#running);
  }

  /**
   * Flushes before a statement where it might see, or overwrite, what is
   * pending: a read of other tables goes first.
   *
   * @param transaction Runs them.
   * @param tablesOf Tells which tables it is about.
   * @returns Settles when it is done; nothing where nothing is to be done.
   * @throws {StateError} When it cannot be done.
   */
  before(
    transaction: Transaction,
    tablesOf: () => StatementTables,
  ): Promise<void> | undefined {
    if (this.work.isEmpty) return undefined;
    const { isRead, names } = tablesOf();
    const isDue = this.#held === 0 &&
      this.work.hasChanges(isRead ? names : undefined);
    const flushed = isDue
      ? this.#run(transaction, { publishAll: true })
      : undefined;
    if (!isRead) this.work.invalidate(names);
    return flushed?.then(throwRefusal);
  }

  /**
   * Flushes.
   *
   * @param transaction Runs the statements.
   * @returns Settles when it is done, with what was thrown at an answer;
   * nothing where nothing is to be done.
   * @throws {StateError} When changes wait for each other in a circle, or
   * refer to what is not there: nothing was sent.
   * @throws {TypeError} When a value is none of its column's type.
   */
  flush(transaction: Transaction): Promise<Refusal | undefined> | undefined {
    return this.#run(transaction, { publishAll: false });
  }

  /**
   * Flushes, and sends what had its place before.
   *
   * @param transaction Runs the statements.
   * @throws {StateError} As `flush` does.
   * @throws {DatabaseError} When the server refused one of them.
   */
  async flushAll(transaction: Transaction): Promise<void> {
    const { settled } = this;
    const flushed = this.flush(transaction);
    const sent = transaction.sendHeld();
    try {
      throwRefusal(await flushed);
      await sent;
      await settled;
    } catch (error) {
      throw firstFailure(error, transaction);
    }
    if (transaction.failure) throw transaction.failure;
  }

  /**
   * Gives a place to the changes made so far, ahead of what comes: they go out
   * with the next statement. Where they fail, it does.
   *
   * @param transaction Will run the statements.
   * @throws {StateError} When changes wait for each other in a circle, or
   * refer to what is not there.
   * @throws {TypeError} When a value is none of its column's type.
   */
  hold(transaction: Transaction): void {
    this.#run(transaction, { publishAll: true, isHeld: true })?.then(
      (refusal) => this.tell(refusal),
      () => {},
    );
  }

  /** Whether statements flush what they may see. */
  get isAutomatic(): boolean {
    return this.#held === 0;
  }

  /**
   * Runs a function whose statements flush nothing.
   *
   * @param fn What to run.
   */
  async without<T>(fn: () => Promise<T>): Promise<T> {
    this.#held++;
    try {
      return await fn();
    } finally {
      this.#held--;
    }
  }

  /**
   * Tells what was thrown at an answer whose statement nobody can be told of as
   * failed.
   *
   * @param refusal What a flush has settled with.
   */
  tell(refusal: Refusal | undefined): void {
    if (refusal === undefined) return;
    this.#engine.emit({ type: "listenerError", error: refusal.error });
  }

  #run(
    transaction: Transaction,
    { publishAll, isHeld = false }: RunOptions,
  ): Promise<Refusal | undefined> | undefined {
    if (this.work.isEmpty) return undefined;
    if (isAutocommit(transaction.options) && this.work.hasChanges()) {
      throw autocommitError("flush");
    }
    const planned = this.work.seal({ publishAll });
    if (planned.length === 0) return undefined;
    const tables = new Set(
      planned.flatMap(({ changes: [first] }) => first?.entry.table.name ?? []),
    );
    // All changes of a statement write the same columns.
    const cascades = planned.some(({ changes: [first] }) =>
      first !== undefined && mayCascade(first)
    );
    if (cascades) this.work.invalidate(undefined);
    this.#options.onFlush?.(
      [...tables],
      planned.map(({ statement }) => statement),
    );
    const isKept = transaction.watch();
    const { epoch } = this.work;
    const flush = new RunningFlush(planned, {
      work: this.work,
      engine: this.#engine,
      holder: this.#options.holder,
      isLive: () => epoch === this.work.epoch && isKept(),
    });
    const answers = flush.statements().map((statement) =>
      isHeld ? transaction.hold(statement) : transaction.execute(statement)
    );
    const settling = flush.settle(answers, (error) => transaction.fail(error));
    this.#running.add(settling);
    const forget = () => void this.#running.delete(settling);
    settling.then(forget, forget);
    return settling;
  }
}

function throwRefusal(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw refusal.error;
}
