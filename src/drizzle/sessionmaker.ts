import { type ExtractTablesWithRelations, is, type Logger } from "drizzle-orm";
import type { Cache } from "drizzle-orm/cache/core";
import { PgDatabase, PgTable } from "drizzle-orm/pg-core";
import {
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { checkRoles, USUAL_ROLES } from "../session/claims.ts";
import { checkRetry, type RetryOptions } from "../session/retry_policy.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import {
  checkArgument,
  checkEngine,
  checkFunction,
} from "../errors/check_argument.ts";
import type { MappedTable } from "./map_table.ts";
import { defineStructure } from "./_define_structure.ts";
import { runAgain } from "./run_again.ts";
import { unboundRunner } from "./runner_for.ts";
import { Session, type SessionParts } from "./session.ts";
import { mergedOptions, type SessionOptions } from "./session_options.ts";
import type { SessionContext } from "./session_context.ts";
import { checkHooks, type SessionHooks } from "./session_hooks.ts";
import { type Casing, sessionShape } from "./session_shape.ts";
import type { SessionQueryResultHKT } from "./statement_runner.ts";

/**
 * A Drizzle database whose statements are run by the sessions of a
 * sessionmaker.
 *
 * @typeParam Schema The schema.
 */
export type SessionDatabase<
  Schema extends Record<string, unknown> = Record<string, never>,
> = PgDatabase<
  SessionQueryResultHKT,
  Schema,
  ExtractTablesWithRelations<Schema>
>;

/**
 * How {@linkcode sessionmaker} makes sessions.
 *
 * @typeParam Schema The schema.
 */
export interface SessionmakerOptions<
  Schema extends Record<string, unknown> = Record<string, never>,
> {
  /** Tables and relations, for `db.query`. */
  readonly schema?: Schema;
  /**
   * How the unit of work treats tables that need more than their schema says:
   * a version, keys made by a trigger.
   *
   * @default {as the schema says}
   */
  readonly tables?: readonly MappedTable[];
  /**
   * How column keys become names in the database, as in Drizzle.
   *
   * @default {the keys as they are}
   */
  readonly casing?: Casing;
  /**
   * Hears every statement with its parameters, as in Drizzle; `true` prints
   * them.
   *
   * @default {false}
   */
  readonly logger?: boolean | Logger;
  /**
   * Drizzle's cache. What is put there or called stale happens after the
   * commit; a transaction that has written is not answered from it, nor is a
   * session that has claims, a role or a token, or a hook `afterBegin`.
   *
   * @default {none}
   */
  readonly cache?: Cache;
  /**
   * How transactions run that say nothing else.
   *
   * @default {the engine's}
   */
  readonly transaction?: TransactionOptions;
  /**
   * Roles that sessions with claims may take (`SET LOCAL ROLE`), the usual one
   * first. An empty list leaves them with the connection's role.
   *
   * @default {["authenticated", "anon"]}
   */
  readonly roles?: readonly string[];
  /**
   * Whether sessions without claims refuse to send anything: a forgotten
   * `claims` would otherwise see whatever the connection's role sees.
   *
   * @default {false}
   */
  readonly requireClaims?: boolean;
  /**
   * What runs around every transaction of the sessions.
   *
   * @default {nothing}
   */
  readonly hooks?: SessionHooks<Session<Schema>, Schema>;
}

/** How {@linkcode Sessionmaker.begin} runs a block. */
export interface BeginOptions extends TransactionOptions {
  /**
   * How the block is run again when it lost against another transaction.
   *
   * @default {it is not}
   */
  readonly retry?: RetryOptions | undefined;
}

/**
 * Makes sessions: call it for one, or give `begin` a block.
 *
 * @typeParam Schema The schema.
 */
export interface Sessionmaker<
  Schema extends Record<string, unknown> = Record<string, never>,
> {
  /**
   * Makes a session; nothing is opened.
   *
   * @param options How it runs.
   * @returns The session, which the caller closes.
   */
  (options?: SessionOptions): Session<Schema>;

  /**
   * Runs a block with a session of its own: commits at its end, rolls back and
   * rethrows when it throws, closes in any case. With `retry` it is run again,
   * with a fresh session, when it lost against another transaction (SQLSTATE
   * 40001 and 40P01, `StaleDataError`), or when the connection was lost before
   * a write was sent, or was known to be before anything was sent behind the
   * writes; what it does besides is then done again as well.
   *
   * @typeParam T What the block returns.
   * @param block Given the session.
   * @param options How the transaction runs, and how often.
   * @returns What the block returned.
   * @throws {RangeError} When an option has a value that is none of its own.
   */
  begin<T>(
    block: (db: Session<Schema>) => Promise<T>,
    options?: BeginOptions,
  ): Promise<T>;

  /** The engine that lends the connections. */
  readonly engine: Engine;

  /**
   * Makes the same kind of sessions on another engine: another tenant's, or
   * that of a test. Where that is another database it is asked past the `cache`,
   * which knows an answer by its query alone.
   *
   * @param engine Lends the connections.
   * @returns A factory with the same schema and options.
   */
  on(engine: Engine): Sessionmaker<Schema>;

  /**
   * Makes the same kind of sessions, with options of their own: those of one
   * user, for example, also for `mapTasks`.
   *
   * @param options What sessions are made with that say nothing else.
   * @returns A factory with the same engine and schema.
   */
  with(options: SessionOptions): Sessionmaker<Schema>;

  /**
   * Makes a database that belongs to whoever is current when a statement runs;
   * a scoped session builds on it.
   *
   * @param context Finds the current one.
   */
  unbound(context: SessionContext): SessionDatabase<Schema>;
}

/**
 * Makes a session factory. What all its sessions have in common, such as
 * Drizzle's relational configuration, is derived here and not per session.
 *
 * @example A session per task
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = recordingDriver();
 * const Session = sessionmaker(createEngine(driver));
 * await Session.begin((db) => db.execute("select 1"));
 * assertEquals(driver.log, [
 *   "connect",
 *   "begin isolation level read committed; select 1",
 *   "commit",
 *   "close",
 * ]);
 * ```
 *
 * @typeParam Schema The schema.
 * @param engine Lends the connections.
 * @param options Schema, casing, logger, transaction options.
 * @returns The factory.
 * @throws {TypeError} When the engine is none, or an option has the wrong type.
 * @throws {RangeError} When an option has a value that is none of its own.
 */
export function sessionmaker<
  Schema extends Record<string, unknown> = Record<string, never>,
>(
  engine: Engine,
  options: SessionmakerOptions<Schema> = {},
): Sessionmaker<Schema> {
  checkOptionNames("sessionmaker()", options, SESSIONMAKER_OPTIONS);
  return makeSessionmaker(engine, options);
}

/**
 * The same, with options that may be part of something else.
 *
 * @param cacheScope Which database it is, where there are several.
 */
export function makeSessionmaker<Schema extends Record<string, unknown>>(
  engine: Engine,
  options: SessionmakerOptions<Schema>,
  cacheScope?: string,
): Sessionmaker<Schema> {
  const parts = sessionParts(engine, options, cacheScope);
  const { shape } = parts;
  const contexts: SessionContext[] = [];
  function unbound(context: SessionContext): SessionDatabase<Schema> {
    contexts.push(context);
    const runner = unboundRunner(shape, context);
    const database: SessionDatabase<Schema> = new PgDatabase(
      shape.dialect,
      runner,
      undefined,
    );
    defineStructure(database, shape, runner);
    return database;
  }
  function makerWith(usual: SessionOptions): Sessionmaker<Schema> {
    function make(own: SessionOptions = {}): Session<Schema> {
      const parent = currentHolder(contexts);
      const all = { parent, ...mergedOptions(usual, own) };
      for (const context of contexts) {
        const other = context.replacement?.();
        if (other === undefined || other === make) continue;
        // A registry is given factories of its own schema only.
        return (other as Sessionmaker<Schema>)(all);
      }
      return new Session<Schema>(parts, all);
    }
    async function begin<T>(
      block: (db: Session<Schema>) => Promise<T>,
      { retry, ...transaction }: BeginOptions = {},
    ): Promise<T> {
      checkFunction(block, "begin");
      checkRetry(retry ?? {});
      return await runAgain({
        open: () => ({ session: make() }),
        run: ({ session }) => session.begin(block, transaction),
        close: ({ session }) => session.close(),
      }, { retry, signal: transaction.signal ?? usual.signal });
    }
    return Object.assign(make, {
      begin,
      engine,
      unbound,
      on: (other: Engine) =>
        makeSessionmaker(other, optionsOn(other, engine, options), cacheScope)
          .with(usual),
      with: (more: SessionOptions) => makerWith(mergedOptions(usual, more)),
    });
  }
  return makerWith({});
}

/**
 * Whether something makes sessions.
 *
 * @param value What was given.
 */
export function isSessionmaker<Schema extends Record<string, unknown>>(
  value: unknown,
): value is Sessionmaker<Schema> {
  return typeof value === "function" && "unbound" in value;
}

/** A cache has the answers of one database, and no other's. */
function optionsOn<Schema extends Record<string, unknown>>(
  other: Engine,
  own: Engine,
  options: SessionmakerOptions<Schema>,
): SessionmakerOptions<Schema> {
  if (other?.driver === own.driver) return options;
  const { cache: _, ...rest } = options;
  return rest;
}

/** The session in whose scope another one is made: it waits for that one. */
function currentHolder(
  contexts: readonly SessionContext[],
): PoolHolder | undefined {
  for (const context of contexts) {
    const holder = context.holder();
    if (holder !== undefined) return holder;
  }
  return undefined;
}

/** Their names. */
export const SESSIONMAKER_OPTIONS: OptionNames<SessionmakerOptions> = {
  schema: true,
  tables: true,
  casing: true,
  logger: true,
  cache: true,
  transaction: true,
  roles: true,
  requireClaims: true,
  hooks: true,
};

/** What its sessions are made of, checked. */
function sessionParts<Schema extends Record<string, unknown>>(
  engine: Engine,
  options: SessionmakerOptions<Schema>,
  cacheScope: string | undefined,
): SessionParts<Schema> {
  checkEngine(engine, "make sessions");
  const { hooks = {}, roles = USUAL_ROLES, tables = [] } = options;
  checkArgument(
    Array.isArray(tables) && tables.every((each) => is(each?.table, PgTable)),
    'use option "tables"',
    "a list of what mapTable() returns",
  );
  checkTransactionOptions(options.transaction ?? {});
  checkHooks(hooks);
  checkRoles(roles);
  const shape = sessionShape(
    { ...options, cacheScope },
    engine.pureFunctions,
  );
  return {
    engine,
    shape,
    transaction: { ...engine.transaction, ...options.transaction },
    hooks,
    identityRules: {
      roles,
      requireClaims: options.requireClaims ?? false,
    },
  };
}
