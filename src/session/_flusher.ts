import type { Result, Statement } from "../driver/statement.ts";
import { isAutocommit } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import { StaleDataError } from "../errors/database_error.ts";
import type { Change } from "../unit_of_work/change_set.ts";
import type { PlannedStatement } from "../unit_of_work/flush_plan.ts";
import type { KnownEntities } from "../unit_of_work/known_entities.ts";
import { UnitOfWork } from "../unit_of_work/unit_of_work.ts";
import { autocommitError } from "./_refusals.ts";
import { explainedXmin } from "./explained_xmin.ts";
import type { StatementTables } from "./statement_tables.ts";
import type { Transaction } from "./transaction.ts";

/** Told which tables a flush writes, when its statements are sent. */
export type FlushListener = (
  tables: readonly string[],
  statements: readonly Statement[],
) => void;

/** Brings the changes of a unit of work to the server, and its answers back. */
export class Flusher {
  /** The changes, and what is known of rows. */
  readonly work: UnitOfWork;
  readonly #engine: Engine;
  readonly #listener: FlushListener | undefined;
  /** Flushes whose answers were not taken in yet. */
  readonly #running = new Set<Promise<unknown>>();
  /** How many `noAutoflush` blocks run. */
  #held = 0;

  /**
   * @param engine Told of every flush.
   * @param listener Told of every flush, too.
   * @param known Knows the entities of all sessions.
   */
  constructor(
    engine: Engine,
    listener: FlushListener | undefined,
    known?: KnownEntities,
  ) {
    this.work = new UnitOfWork(known);
    this.#engine = engine;
    this.#listener = listener;
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
      ? this.#run(transaction, { publishAll: true, isHeld: false })
      : undefined;
    if (!isRead) this.work.invalidate(names);
    return flushed;
  }

  /**
   * Flushes.
   *
   * @param transaction Runs the statements.
   * @returns Settles when it is done; nothing where nothing is to be done.
   * @throws {StateError} When changes wait for each other in a circle, or
   * refer to what is not there: nothing was sent.
   * @throws {TypeError} When a value is none of its column's type.
   */
  flush(transaction: Transaction): Promise<void> | undefined {
    return this.#run(transaction, { publishAll: false, isHeld: false });
  }

  /**
   * Flushes, and sends what had its place before.
   *
   * @param transaction Runs the statements.
   * @throws {StateError} As `flush` does.
   * @throws {DatabaseError} When the server refused one of them.
   */
  async flushAll(transaction: Transaction): Promise<void> {
    const flushed = this.flush(transaction);
    const { settled } = this;
    const sent = transaction.sendHeld();
    await flushed;
    await sent;
    await settled;
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
    this.#run(transaction, { publishAll: true, isHeld: true })
      ?.catch(() => {});
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

  #run(
    transaction: Transaction,
    { publishAll, isHeld }: { publishAll: boolean; isHeld: boolean },
  ): Promise<void> | undefined {
    if (this.work.isEmpty) return undefined;
    if (isAutocommit(transaction.options) && this.work.hasChanges()) {
      throw autocommitError("flush");
    }
    const planned = this.work.seal({ publishAll });
    if (planned.length === 0) return undefined;
    const tables = new Set(
      planned.flatMap(({ changes: [first] }) => first?.entry.table.name ?? []),
    );
    // The database may delete, or set, what refers to it.
    const deletes = planned.some(({ changes: [first] }) =>
      first?.kind === "delete"
    );
    if (deletes) this.work.invalidate(undefined);
    this.#listener?.([...tables], planned.map(({ statement }) => statement));
    const isLive = transaction.watch();
    const { epoch } = this.work;
    const start = performance.now();
    const answers = planned.map(({ statement }) =>
      isHeld ? transaction.hold(statement) : transaction.execute(statement)
    );
    const settling = this.#settle(planned, answers, {
      isLive: () => epoch === this.work.epoch && isLive(),
      fail: (error) => transaction.fail(error),
      start,
    });
    this.#running.add(settling);
    const forget = () => void this.#running.delete(settling);
    settling.then(forget, forget);
    return settling;
  }

  async #settle(
    planned: readonly PlannedStatement[],
    answers: readonly Promise<Result>[],
    { isLive, fail, start }: {
      isLive: () => boolean;
      fail: (error: unknown) => void;
      start: number;
    },
  ): Promise<void> {
    // The first failure counts; those behind it say the same.
    for (const answer of answers) answer.catch(() => {});
    const results: Result[] = [];
    try {
      for (const answer of answers) results.push(await answer);
    } catch (error) {
      for (const statement of planned) this.work.written.unanswered(statement);
      // They count as done: without them nothing may be committed.
      if (isLive()) fail(error);
      const failed = planned[results.length];
      throw failed === undefined ? error : explained(error, failed);
    }
    // All at once: rows refer to each other.
    for (const [at, statement] of planned.entries()) {
      const result = results[at];
      if (result && isLive()) this.work.written.answer(statement, result);
      else this.work.written.unanswered(statement);
    }
    const count = (kind: Change["kind"]) =>
      planned.filter(({ changes: [first] }) => first?.kind === kind)
        .reduce((sum, { changes }) => sum + changes.length, 0);
    this.#engine.emit({
      type: "flush",
      inserted: count("insert"),
      updated: count("update"),
      deleted: count("delete"),
      statements: planned.length,
      duration: performance.now() - start,
    });
  }
}

/** Says which entities a failed statement was about. */
function explained(error: unknown, { changes }: PlannedStatement): unknown {
  const entities = changes.map(({ entry: { entity } }) => entity);
  if (error instanceof StaleDataError) error.entities = entities;
  const table = changes[0]?.entry.table;
  return table === undefined ? error : explainedXmin(error, table, entities);
}
