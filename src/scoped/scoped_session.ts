import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Session } from "../drizzle/session.ts";
import {
  optionsInside,
  type SessionOptions,
} from "../drizzle/session_options.ts";
import type {
  HandleDatabase,
  SessionContext,
} from "../drizzle/session_context.ts";
import {
  isSessionmaker,
  type SessionDatabase,
  type Sessionmaker,
} from "../drizzle/sessionmaker.ts";
import { checkArgument } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import {
  type AsyncStorage,
  asyncStorage,
  type AsyncStorageClass,
} from "./async_context.ts";
import { ScopeError, StateError } from "../errors/state_error.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import { KeyedSessions } from "./keyed_sessions.ts";
import { noScopeError } from "./no_scope_error.ts";
import {
  type Propagation,
  scopeAction,
  type ScopeSituation,
} from "./propagation.ts";
import { ScopeEntry } from "./scope_entry.ts";
import { scopedDatabase } from "./scoped_database.ts";

/** How {@linkcode scopedSession} tells tasks apart. */
export interface ScopedSessionOptions {
  /**
   * The class that follows async contexts.
   *
   * @default {the runtime's `AsyncLocalStorage`}
   */
  readonly AsyncLocalStorage?: AsyncStorageClass;
  /**
   * Names the task that is running where no `run` has begun one, as
   * SQLAlchemy's `scopefunc`: a session is made at its first use in each scope
   * and kept until `close()`. An object, such as the request of a framework,
   * is not kept alive by it. Called at each use; `undefined` is no scope.
   *
   * @default {none: only `run` and a middleware begin a scope}
   */
  readonly scope?: () => unknown;
}

const SCOPE_OPTIONS: OptionNames<ScopedSessionOptions> = {
  AsyncLocalStorage: true,
  scope: true,
};

/** How {@linkcode ScopedSession.begin} runs. */
export interface ScopeBeginOptions extends TransactionOptions {
  /**
   * What becomes of a transaction that is open already.
   *
   * @default {"required"}
   */
  readonly propagation?: Propagation;
}

/**
 * The registry that knows which session belongs to the running task.
 *
 * SQLAlchemy's `configure()` changes what sessions will be made from now on,
 * for whoever shares the registry; here nothing changes under another task.
 * `run`, `open` and `begin` take the options of their own session, and `using`
 * another factory for what it runs. So no option is ever given to a session
 * that is there already.
 *
 * @example Who is current
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { scopedSession } from "@nullpool/db/scoped";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assert } from "@std/assert";
 *
 * const scope = scopedSession(sessionmaker(createEngine(recordingDriver())));
 * await scope.run(async (session) => {
 *   await Promise.resolve();
 *   assert(scope.current === session);
 * });
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 */
export class ScopedSession<
  Schema extends Record<string, unknown> = Record<string, never>,
> {
  /**
   * A database session that stands for the current task's: safe at module
   * level, because it is looked up at each use. A query built inside a scope
   * belongs to that scope's session; one built outside, and every prepared
   * one, belongs to whoever runs it.
   */
  readonly db: Session<Schema>;

  readonly #makeSession: Sessionmaker<Schema>;
  readonly #storage: AsyncStorage<ScopeEntry<Schema>>;
  readonly #makers: AsyncStorage<Sessionmaker<Schema>>;
  readonly #scopeKey: (() => unknown) | undefined;
  readonly #keyedBy = new WeakMap<
    Sessionmaker<Schema>,
    KeyedSessions<Session<Schema>>
  >();
  /** Sessions that belong to a task, and not to whoever opened them. */
  readonly #owned = new WeakSet<Session<Schema>>();
  readonly #context: SessionContext;
  /** What the error of a late call says, of those that say their own. */
  readonly #closedHints = new WeakMap<Session<Schema>, string>();

  /**
   * Creates a registry; `scopedSession` does.
   *
   * @param makeSession Makes the sessions.
   * @param options How tasks are told apart.
   * @throws {ScopeError} When the runtime cannot tell them apart.
   * @throws {TypeError} When there is no sessionmaker, or no option of a name.
   */
  constructor(
    makeSession: Sessionmaker<Schema>,
    options: ScopedSessionOptions = {},
  ) {
    checkOptionNames("scopedSession()", options, SCOPE_OPTIONS);
    checkArgument(
      isSessionmaker(makeSession),
      "make a scoped session",
      "a sessionmaker",
    );
    const storage = asyncStorage<ScopeEntry<Schema>>(options.AsyncLocalStorage);
    this.#makeSession = makeSession;
    this.#storage = storage;
    this.#makers = asyncStorage(options.AsyncLocalStorage);
    this.#scopeKey = options.scope;
    this.#context = {
      enter: (database, block) =>
        this.#enterBlock(this.current, database, block),
      replacement: () => this.#makers.getStore(),
      holder: () => this.holder,
      current: () => this.#entry.database,
    };
    this.db = scopedDatabase(
      makeSession.unbound(this.#context),
      () => this.#findEntry(),
    );
  }

  /**
   * The session of the current task.
   *
   * @throws {ScopeError} When there is none.
   */
  get current(): Session<Schema> {
    return this.#entry.session;
  }

  /**
   * The session of the current task as a pool sees it, if there is one already:
   * whatever is opened now is opened inside of it.
   */
  get holder(): PoolHolder | undefined {
    return this.#present?.holder;
  }

  /** Makes the sessions of whoever asks. */
  get Session(): Sessionmaker<Schema> {
    return this.#makers.getStore() ?? this.#makeSession;
  }

  /**
   * Closes the session of the current task, which rolls back what is open; a
   * scope that has none is left alone. With the option `scope` the next use
   * makes another session (SQLAlchemy's `remove()`); inside `run` the session
   * stays closed.
   */
  async close(): Promise<void> {
    const session = this.#present?.session;
    this.#keyed.forget(session);
    await session?.close();
  }

  /**
   * Runs a function as a task with a session of its own, which is closed at
   * its end: what was not committed is rolled back.
   *
   * @typeParam T What the function returns.
   * @param task Given the session.
   * @param options How the session runs.
   * @returns What the function returned.
   */
  async run<T>(
    task: (db: Session<Schema>) => Promise<T>,
    options: SessionOptions = {},
  ): Promise<T> {
    const session = this.open(options);
    try {
      // A query of Drizzle's runs when it is awaited: that is part of the task.
      return await this.enter(session, async () => await task(session));
    } finally {
      await session.close();
    }
  }

  /**
   * Runs a function in a transaction. By default it joins the one that the
   * task has open; else it opens one, commits at the end, and rolls back when
   * the function throws. What was only read before is no transaction to join,
   * and behind its task's end, such as in a message of a WebSocket, it has a
   * session of its own, which speaks for whom that task spoke. Where a runtime
   * calls in no task, it speaks for nobody: `bind` what is called there.
   *
   * Whoever began the one that was joined ends it: what a function has written
   * before it threw stays there (`nested` undoes it alone), and a function that
   * has not ended by then is refused, with all of it.
   *
   * @typeParam T What the function returns.
   * @param task Given the session.
   * @param options How a transaction of its own runs, and what becomes of one
   * that is open already.
   * @returns What the function returned.
   * @throws {StateError} When the propagation forbids what is there.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  async begin<T>(
    task: (db: Session<Schema>) => Promise<T>,
    options: ScopeBeginOptions = {},
  ): Promise<T> {
    const { propagation = "required", ...transaction } = options;
    const { session, database } = this.#running ?? {};
    const situation = session === undefined
      ? "no scope"
      : session.joining.isNeeded
      ? "transaction"
      : "no transaction";
    const action = scopeAction(propagation, situation);
    if (action === "apart") return await this.run(task, { transaction });
    if (session === undefined || action === "own") {
      if (action === "refuse") throw propagationError(propagation, situation);
      return await this.run((own) => own.begin(task, transaction));
    }
    switch (action) {
      case "join":
        // In a block the session's own handle is refused.
        return await session.joining.run(
          async () => await task(database === session ? session : this.db),
          transaction,
        );
      case "begin":
        return await session.begin(task, transaction);
      case "savepoint":
        session.joining.checkOptions(transaction);
        return await this.db.transaction(() => task(this.db));
      case "refuse":
        throw propagationError(propagation, situation);
    }
  }

  /**
   * Makes a function run in the task that is current now, wherever it is
   * called: for callbacks that a runtime calls in another context, as Workers do
   * with a stream's `pull()`, and all but Deno with a WebSocket's `onMessage`.
   *
   * @typeParam Args The function's arguments.
   * @typeParam T What the function returns.
   * @param callback The function.
   * @returns The bound function.
   * @throws {ScopeError} When there is no current task.
   */
  bind<Args extends unknown[], T>(
    callback: (...args: Args) => T,
  ): (...args: Args) => T {
    const entry = this.#entry;
    return (...args) => this.#storage.run(entry, () => callback(...args));
  }

  /**
   * Makes a session of this registry without making it current. Whoever opens
   * it closes it; `run` does both.
   *
   * @param options How it runs.
   * @returns The session.
   */
  open(options: SessionOptions = {}): Session<Schema> {
    const outer = this.#present;
    const session: Session<Schema> = this.Session({
      parent: outer?.holder,
      // Whoever is current is so here as well, unless somebody else is named.
      ...optionsInside(outer?.identity ?? {}, options),
      context: {
        ...this.#context,
        // Its own blocks, whoever is current when one is opened.
        enter: (database, block) => this.#enterBlock(session, database, block),
        guard: () => this.#refuseForeign(session),
      },
    });
    if (options.closedHint !== undefined) {
      this.#closedHints.set(session, options.closedHint);
    }
    return session;
  }

  /**
   * Runs a function with a session as the current one, and leaves the session
   * open.
   *
   * @typeParam T What the function returns.
   * @param session One that `open` made.
   * @param task What to run.
   * @returns What the function returned.
   */
  enter<T>(session: Session<Schema>, task: () => T): T {
    this.#owned.add(session);
    return this.#storage.run(this.#newEntry(session, session), task);
  }

  /**
   * Runs a function in which sessions are made by another factory, over the
   * engine of a tenant, or that of a test: the registry's own, and those of the
   * factory that it was made with.
   *
   * @typeParam T What the function returns.
   * @param makeSession Makes them; `Session.on(engine)` has the same schema.
   * @param task What to run.
   * @returns What the function returned.
   */
  using<T>(makeSession: Sessionmaker<Schema>, task: () => T): T {
    return this.#makers.run(makeSession, task);
  }

  /** Each factory has its own: a tenant's session is nobody else's. */
  get #keyed(): KeyedSessions<Session<Schema>> {
    const { Session } = this;
    let keyed = this.#keyedBy.get(Session);
    if (keyed === undefined) {
      keyed = new KeyedSessions(this.#scopeKey, () => this.open());
      this.#keyedBy.set(Session, keyed);
    }
    return keyed;
  }

  /** Who is current, if anybody is already. */
  get #present(): ScopeEntry<Schema> | undefined {
    const entry = this.#storage.getStore();
    // Most registries have no scope that is named.
    if (entry !== undefined || this.#scopeKey === undefined) return entry;
    return entryOf(this.#keyed.present);
  }

  /** Who is current; a scope that is named has always somebody. */
  #findEntry(): ScopeEntry<Schema> | undefined {
    return this.#storage.getStore() ?? entryOf(this.#keyed.current);
  }

  /** Who is current, and has not ended. */
  get #running(): ScopeEntry<Schema> | undefined {
    const entry = this.#findEntry();
    return entry?.session.state === "closed" ? undefined : entry;
  }

  get #entry(): ScopeEntry<Schema> {
    const entry = this.#findEntry();
    if (entry === undefined) throw noScopeError();
    return entry;
  }

  /**
   * Refuses a session of one task inside the scope of another: a request that
   * finds the session that an earlier one has kept would write into its
   * transaction. Tasks of which one waits for the other may use each other's.
   */
  #refuseForeign(session: Session<Schema>): void {
    const present = this.#storage.getStore()?.holder;
    if (present === undefined || !this.#owned.has(session)) return;
    const { holder } = session;
    if (waitsFor(holder, present) || waitsFor(present, holder)) return;
    throw new ScopeError(
      "FOREIGN_SCOPE",
      `Cannot use the session of "${holder.name}" for "${present.name}": it belongs to another task; use the session of the running one`,
    );
  }

  #newEntry(
    session: Session<Schema>,
    database: SessionDatabase<Schema>,
  ): ScopeEntry<Schema> {
    // In development a message says where the session was closed.
    if (this.#makeSession.engine.mode !== "production") {
      return new ScopeEntry(session, database);
    }
    const closedHint = this.#closedHints.get(session);
    const entry = new ScopeEntry(
      session,
      database,
      () => this.#closedSession(closedHint),
    );
    void entry.letGoWhenClosed();
    return entry;
  }

  #closedSession(closedHint: string | undefined): Session<Schema> {
    const session = this.#makeSession({ closedHint });
    void session.close();
    return session;
  }

  #enterBlock<T>(
    session: Session<Schema>,
    database: HandleDatabase,
    block: () => Promise<T>,
  ): Promise<T> {
    // Blocks are given databases of the session's own schema only.
    const inner = database as SessionDatabase<Schema>;
    return this.#storage.run(this.#newEntry(session, inner), block);
  }
}

/**
 * Makes a scoped session: a registry that gives each task its own, as
 * SQLAlchemy's `scoped_session` does per thread.
 *
 * @example One session per task, one `db` for the module
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { scopedSession } from "@nullpool/db/scoped";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = createEngine(pglite());
 * const scope = scopedSession(sessionmaker(engine));
 * const { db } = scope;
 *
 * await scope.run(async () => {
 *   const { rows } = await db.execute("select 1 as one");
 *   assertEquals(rows, [{ one: 1 }]);
 *   await db.commit();
 * });
 * ```
 *
 * @typeParam Schema The schema of the sessions.
 * @param Session Makes the sessions.
 * @param options How tasks are told apart.
 * @returns The registry.
 * @throws {ScopeError} When the runtime cannot tell tasks apart.
 * @throws {TypeError} When there is no sessionmaker, or no option of a name.
 */
export function scopedSession<
  Schema extends Record<string, unknown> = Record<string, never>,
>(
  Session: Sessionmaker<Schema>,
  options: ScopedSessionOptions = {},
): ScopedSession<Schema> {
  return new ScopedSession(Session, options);
}

function propagationError(
  propagation: Propagation,
  situation: ScopeSituation,
): StateError {
  return new StateError(
    "TRANSACTION_OPEN",
    `Cannot begin with propagation "${propagation}": ${
      situation === "transaction"
        ? "a transaction is open"
        : "no transaction is open"
    }`,
  );
}

/** Whether one is the other, or around it. */
function waitsFor(outer: PoolHolder, inner: PoolHolder | undefined): boolean {
  for (let each = inner; each !== undefined; each = each.parent) {
    if (each === outer) return true;
  }
  return false;
}

function entryOf<Schema extends Record<string, unknown>>(
  session: Session<Schema> | undefined,
): ScopeEntry<Schema> | undefined {
  return session && new ScopeEntry(session, session);
}
