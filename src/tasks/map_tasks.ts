import {
  checkArgument,
  checkCount,
  checkFunction,
} from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { NullpoolError } from "../errors/error.ts";
import type { Session } from "../drizzle/session.ts";
import { isSessionmaker, type Sessionmaker } from "../drizzle/sessionmaker.ts";
import { isIterable, type Items, ItemSource } from "./_item_source.ts";

/** How far a call of {@linkcode mapTasks} is. */
export interface TaskProgress {
  /** Items that are done, failed ones included. */
  readonly done: number;
  /** Those of them that failed. */
  readonly failed: number;
  /** Items in all, where the input knows: an array, a set, a map. */
  readonly total: number | undefined;
}

/** How {@linkcode mapTasks} runs. */
export interface MapTasksOptions {
  /**
   * How many items are worked on at once.
   *
   * @default {what the engine can lend at once, else 5}
   */
  readonly concurrency?: number;
  /**
   * Whether each session commits when its worker returns, or none does. One on
   * which `setRollbackOnly()` was called is rolled back.
   *
   * @default {"each"}
   */
  readonly commit?: "each" | "none";
  /**
   * Whether the first failure ends the call, or each item's outcome is
   * returned as `Promise.allSettled` does.
   *
   * @default {"throw"}
   */
  readonly onError?: "throw" | "collect";
  /** Told after each item. What it throws ends the call. */
  readonly onProgress?: (progress: TaskProgress) => void;
  /**
   * Hands out no more items when it fires, cancels the statements that run,
   * and is passed on to workers; the call throws its reason when they have
   * ended.
   */
  readonly signal?: AbortSignal;
}

const MAP_TASKS_OPTIONS: OptionNames<MapTasksOptions> = {
  concurrency: true,
  commit: true,
  onError: true,
  onProgress: true,
  signal: true,
};

/** What a worker is told besides its item. */
export interface TaskContext {
  /** The item's place in the input. */
  readonly index: number;
  /** Fires when another worker failed or the caller gave up. */
  readonly signal: AbortSignal;
}

/**
 * Works on one item.
 *
 * @typeParam Item What is worked on.
 * @typeParam Output What it returns.
 * @typeParam Schema The schema of the session.
 */
export type TaskWorker<Item, Output, Schema extends Record<string, unknown>> = (
  db: Session<Schema>,
  item: Item,
  context: TaskContext,
) => Promise<Output>;

/**
 * Works on items in parallel, each with a session of its own.
 *
 * On the first failure no more items are handed out, running workers see
 * their signal fire, their statements are cancelled (a COMMIT that has left is
 * not), and all of them are waited for: no session outlives the call.
 *
 * A session of the caller that is inside a transaction holds its connection
 * meanwhile: commit it first where there is only one (PGlite), or where the
 * server has few. The tasks are refused with `POOL_SELF_DEADLOCK` where it is
 * known whose they are, in a scope, in a middleware, or by `parent`; elsewhere
 * they wait as long as the pool's timeout lets them.
 *
 * @example Five at a time
 * ```ts
 * import { createEngine, mapTasks, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { sql } from "drizzle-orm";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine);
 * const squares = await mapTasks(Session, [1, 2, 3], async (db, n) => {
 *   const { rows } = await db.execute(sql`select ${n}::int * ${n}::int as square`);
 *   return rows[0]?.square;
 * });
 * assertEquals(squares, [1, 4, 9]);
 * ```
 *
 * @typeParam Item What is worked on.
 * @typeParam Output What a worker returns.
 * @typeParam Schema The schema of the sessions.
 * @param Session Makes the sessions.
 * @param items What is worked on; an async iterable is asked for an item when
 * a worker is free, not before.
 * @param worker Given a session, an item and the context.
 * @param options How many at once, and what becomes of failures.
 * @returns What the workers returned, in the order of the items; with
 * `onError: "collect"` each one's outcome.
 * @throws {TypeError} When there is no sessionmaker, item or worker.
 * @throws {RangeError} When an option has a value that is none of its own.
 * @throws The first failure of a worker, with those of its siblings in
 * `suppressed`.
 */
export function mapTasks<
  Item,
  Output,
  Schema extends Record<string, unknown>,
>(
  Session: Sessionmaker<Schema>,
  items: Items<Item>,
  worker: TaskWorker<Item, Output, Schema>,
  options: MapTasksOptions & { readonly onError: "collect" },
): Promise<PromiseSettledResult<Output>[]>;
/**
 * Works on items in parallel, each with a session of its own; the first
 * failure ends the call.
 *
 * @typeParam Item What is worked on.
 * @typeParam Output What a worker returns.
 * @typeParam Schema The schema of the sessions.
 * @param Session Makes the sessions.
 * @param items What is worked on.
 * @param worker Given a session, an item and the context.
 * @param options How many at once.
 * @returns What the workers returned, in the order of the items.
 */
export function mapTasks<
  Item,
  Output,
  Schema extends Record<string, unknown>,
>(
  Session: Sessionmaker<Schema>,
  items: Items<Item>,
  worker: TaskWorker<Item, Output, Schema>,
  options?: MapTasksOptions & { readonly onError?: "throw" },
): Promise<Output[]>;
export async function mapTasks<
  Item,
  Output,
  Schema extends Record<string, unknown>,
>(
  Session: Sessionmaker<Schema>,
  items: Items<Item>,
  worker: TaskWorker<Item, Output, Schema>,
  options: MapTasksOptions = {},
): Promise<(Output | PromiseSettledResult<Output>)[]> {
  checkOptionNames("mapTasks()", options, MAP_TASKS_OPTIONS);
  checkArgument(isSessionmaker(Session), "map tasks", "a sessionmaker");
  checkArgument(isIterable(items), "map tasks", "items to iterate over");
  checkFunction(worker, "map tasks");
  const { concurrency = Session.engine.capacity ?? 5 } = options;
  checkCount("concurrency", concurrency, 1);
  checkChoice("commit", options.commit, ["each", "none"]);
  checkChoice("onError", options.onError, ["throw", "collect"]);
  const run = new TaskRun(Session, items, worker, options);
  const outcomes = await run.finish(concurrency);
  if (options.onError === "collect") return outcomes;
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

function checkChoice(
  name: string,
  value: string | undefined,
  choices: readonly string[],
): void {
  if (value === undefined || choices.includes(value)) return;
  const list = choices.map((choice) => `"${choice}"`).join(" or ");
  throw new RangeError(`Cannot use option "${name}": it is ${list}`);
}

/** One call of `mapTasks`. */
class TaskRun<Item, Output, Schema extends Record<string, unknown>> {
  readonly #makeSession: Sessionmaker<Schema>;
  readonly #source: ItemSource<Item>;
  readonly #total: number | undefined;
  readonly #worker: TaskWorker<Item, Output, Schema>;
  readonly #options: MapTasksOptions;
  readonly #outcomes: PromiseSettledResult<Output>[] = [];
  /** What ends the call; a worker may rethrow what it was told by its signal. */
  readonly #failures = new Set<unknown>();
  readonly #abort = new AbortController();
  /** Each has its own: of one for all, Node would warn as of a leak. */
  readonly #workers: AbortController[] = [];
  #done = 0;
  #failed = 0;

  constructor(
    makeSession: Sessionmaker<Schema>,
    items: Items<Item>,
    worker: TaskWorker<Item, Output, Schema>,
    options: MapTasksOptions,
  ) {
    this.#makeSession = makeSession;
    this.#source = new ItemSource(items);
    this.#total = sizeOf(items);
    this.#worker = worker;
    this.#options = options;
  }

  async finish(
    concurrency: number,
  ): Promise<PromiseSettledResult<Output>[]> {
    const { signal } = this.#options;
    const onAbort = () => this.#fail(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      await Promise.all(
        Array.from({ length: concurrency }, () => this.#work()),
      );
      await this.#source.end();
    } catch (error) {
      this.#fail(error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    if (this.#failures.size === 0) return this.#outcomes;
    const [first, ...others] = this.#failures;
    throw withSuppressed(first, others);
  }

  /** It never rejects: siblings must not be left behind. */
  async #work(): Promise<void> {
    const abort = new AbortController();
    const { signal } = abort;
    this.#workers.push(abort);
    if (this.#abort.signal.aborted) return;
    while (!signal.aborted) {
      try {
        const next = await this.#source.nextUntil(signal);
        if (next === undefined || signal.aborted) return;
        await this.#settle(next.value, { index: next.index, signal });
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  async #settle(item: Item, context: TaskContext): Promise<void> {
    const { index } = context;
    try {
      const value = await this.#runOne(item, context);
      this.#outcomes[index] = { status: "fulfilled", value };
    } catch (reason) {
      this.#failed++;
      this.#outcomes[index] = { status: "rejected", reason };
      if (this.#options.onError !== "collect") this.#fail(reason);
    }
    this.#options.onProgress?.({
      done: ++this.#done,
      failed: this.#failed,
      total: this.#total,
    });
  }

  async #runOne(item: Item, context: TaskContext): Promise<Output> {
    const { index, signal } = context;
    const session = this.#makeSession({ name: `task ${index}`, signal });
    try {
      const output = await this.#worker(session, item, context);
      const isWanted = this.#options.commit !== "none";
      // One that the worker has ended itself has ended as it wanted.
      const isOver = session.isRollbackOnly || session.state === "closed";
      if (isWanted && !isOver) {
        session.joining.refuseCommit();
        await session.commit();
      }
      return output;
    } finally {
      await session.close();
    }
  }

  #fail(error: unknown): void {
    const { signal } = this.#abort;
    const isEcho = signal.aborted && tellsOf(signal.reason, error);
    if (!isEcho) this.#failures.add(error);
    this.#abort.abort(error);
    for (const worker of this.#workers) worker.abort(signal.reason);
  }
}

/**
 * Whether a session says that it was ended for a reason, or what that has kept
 * it from: neither is a failure of its own.
 */
function tellsOf(reason: unknown, error: unknown): boolean {
  for (let each = error; each instanceof NullpoolError; each = each.cause) {
    if (each.code === "ABORTED" && each.cause === reason) return true;
  }
  return false;
}

function sizeOf(items: object | string): number | undefined {
  // Its length is in code units; what it is iterated by are characters.
  if (typeof items === "string") return undefined;
  if ("length" in items && typeof items.length === "number") {
    return items.length;
  }
  return "size" in items && typeof items.size === "number"
    ? items.size
    : undefined;
}

/** Attaches failures to the first one, where it is an object that can carry them. */
function withSuppressed(first: unknown, others: readonly unknown[]): unknown {
  if (others.length === 0 || !(first instanceof Error)) return first;
  if ("suppressed" in first && Array.isArray(first.suppressed)) {
    first.suppressed.push(...others);
  } else if (Object.isExtensible(first)) {
    Object.defineProperty(first, "suppressed", {
      value: others,
      configurable: true,
    });
  }
  return first;
}
