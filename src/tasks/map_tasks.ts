import type { Session } from "../drizzle/session.ts";
import type { Sessionmaker } from "../drizzle/sessionmaker.ts";
import { NullpoolError } from "../errors/error.ts";

/** How {@linkcode mapTasks} runs. */
export interface MapTasksOptions {
  /**
   * How many items are worked on at once.
   *
   * @default {what the driver can have open, else 5}
   */
  readonly concurrency?: number;
  /**
   * Whether each session commits when its worker returns, or none does.
   *
   * @default {"each"}
   */
  readonly commit?: "each" | "none";
  /** Hands out no more items when it fires, and is passed on to workers. */
  readonly signal?: AbortSignal;
}

/** What a worker is told besides its item. */
export interface TaskContext {
  /** The item's place in the input. */
  readonly index: number;
  /** Fires when another worker failed or the caller gave up. */
  readonly signal: AbortSignal;
}

/**
 * Works on items in parallel, each with a session of its own.
 *
 * On the first failure no more items are handed out, running workers see
 * their signal fire, and all of them are waited for: no session is closed
 * while a sibling runs, and none outlives the call.
 *
 * A session of the caller that is inside a transaction holds its connection
 * meanwhile: commit it first where there is only one (PGlite, where the tasks
 * are refused with `POOL_SELF_DEADLOCK`), or where the server has few.
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
 * @param items What is worked on.
 * @param worker Given a session, an item and the context.
 * @param options How many at once.
 * @returns What the workers returned, in the order of the items.
 * @throws {RangeError} When `concurrency` is not a whole number above zero.
 * @throws The first failure of a worker, with those of its siblings in
 * `suppressed` where it is an error of this library.
 */
export async function mapTasks<
  Item,
  Output,
  Schema extends Record<string, unknown>,
>(
  Session: Sessionmaker<Schema>,
  items: Iterable<Item>,
  worker: (
    db: Session<Schema>,
    item: Item,
    context: TaskContext,
  ) => Promise<Output>,
  options: MapTasksOptions = {},
): Promise<Output[]> {
  const concurrency = options.concurrency ??
    Session.engine.driver.maxConnections ?? 5;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(
      'Cannot use option "concurrency": it is a whole number, 1 or more',
    );
  }
  const { commit = "each" } = options;
  if (commit !== "each" && commit !== "none") {
    throw new RangeError('Cannot use option "commit": it is "each" or "none"');
  }
  const run = new TaskRun(Session, items, worker, commit);
  return await run.finish(concurrency, options.signal);
}

type Worker<Item, Output, Schema extends Record<string, unknown>> = (
  db: Session<Schema>,
  item: Item,
  context: TaskContext,
) => Promise<Output>;

/** One call of `mapTasks`. */
class TaskRun<Item, Output, Schema extends Record<string, unknown>> {
  readonly #makeSession: Sessionmaker<Schema>;
  readonly #items: Iterator<Item>;
  readonly #worker: Worker<Item, Output, Schema>;
  readonly #commit: "each" | "none";
  readonly #outputs: Output[] = [];
  readonly #failures: unknown[] = [];
  readonly #abort = new AbortController();
  #handedOut = 0;
  #hasEnded = false;

  constructor(
    makeSession: Sessionmaker<Schema>,
    items: Iterable<Item>,
    worker: Worker<Item, Output, Schema>,
    commit: "each" | "none",
  ) {
    this.#makeSession = makeSession;
    this.#items = items[Symbol.iterator]();
    this.#worker = worker;
    this.#commit = commit;
  }

  async finish(
    concurrency: number,
    signal: AbortSignal | undefined,
  ): Promise<Output[]> {
    const onAbort = () => this.#fail(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      await Promise.all(
        Array.from({ length: concurrency }, () => this.#work()),
      );
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    this.#endItems();
    if (this.#failures.length === 0) return this.#outputs;
    // Workers rethrow the signal's reason, which is the first failure itself.
    const [first, ...others] = new Set(this.#failures);
    if (first instanceof NullpoolError) first.suppressed.push(...others);
    throw first;
  }

  async #work(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        const next = this.#next();
        if (next.done) return;
        const index = this.#handedOut++;
        this.#outputs[index] = await this.#runOne(next.value, index);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  #next(): IteratorResult<Item> {
    this.#hasEnded = true; // stays so when `next` throws
    const next = this.#items.next();
    this.#hasEnded = next.done === true;
    return next;
  }

  /** Whoever made the items may have something to close. */
  #endItems(): void {
    if (this.#hasEnded) return;
    try {
      this.#items.return?.();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #runOne(item: Item, index: number): Promise<Output> {
    const context = { index, signal: this.#abort.signal };
    const session = this.#makeSession({ name: `task ${index}` });
    try {
      const output = await this.#worker(session, item, context);
      if (this.#commit === "each") await session.commit();
      return output;
    } finally {
      await session.close();
    }
  }

  #fail(error: unknown): void {
    this.#failures.push(error);
    this.#abort.abort(error);
  }
}
