import { entityKind, is, type Query, SQL } from "drizzle-orm";
import type { WithCacheConfig } from "drizzle-orm/cache/core/types";
import {
  type PgPreparedQuery,
  type PgQueryResultHKT,
  PgSession,
  PgTable,
  type PgTransaction,
  type PreparedQueryConfig,
} from "drizzle-orm/pg-core";
import type { Field } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import { checkArgument } from "../errors/check_argument.ts";
import type { SessionHandle } from "../session/session_core.ts";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import { Entities } from "./entities.ts";
import type { SqlInput } from "./entity_types.ts";
import type { SelectedColumns } from "./_internals.ts";
import { SessionPreparedQuery } from "./prepared_query.ts";
import type { QueryMetadata } from "./statement_access.ts";
import type { HandleDatabase } from "./session_context.ts";
import type { SessionShape } from "./session_shape.ts";
import type { StreamOptions } from "./stream_rows.ts";

/** What `db.execute()` and writes without `returning()` resolve to. */
export interface QueryResult<Row = Record<string, unknown>> {
  /** Rows as objects by column name. */
  rows: Row[];
  /** Rows returned or affected; `null` where the command counts none. */
  rowCount: number | null;
  /** The columns of the rows. */
  fields: readonly Field[];
  /** The first word of the command tag, such as `INSERT`. */
  command: string;
}

/** Tells Drizzle's types what raw results look like. */
export interface SessionQueryResultHKT extends PgQueryResultHKT {
  /** The result for a row type. */
  type: QueryResult<this["row"]>;
}

/**
 * A query whose rows can be read one by one.
 *
 * @typeParam Row What the query gives for a row.
 */
export type StreamableQuery<Row> =
  | (PromiseLike<Row[]> & { prepare(name: string): unknown })
  | SQL<Row>;

/**
 * A query that may be given a place among the changes of a session.
 *
 * @typeParam T What it resolves to.
 */
export type EnqueueableQuery<T> =
  | (PromiseLike<T> & { prepare(name: string): unknown })
  | SqlInput;

/** How a block runs that is a transaction of its own. */
export interface BlockOptions extends TransactionOptions {
  /** As in Drizzle; `readOnly` says the same. */
  readonly accessMode?: "read only" | "read write" | undefined;
}

/** Any transaction handle, whatever its schema. */
// deno-lint-ignore no-explicit-any -- Drizzle's own base class is declared so
export type AnyTransaction = PgTransaction<any, any, any>;

/** What a runner works with. */
export interface RunnerContext {
  /** What all sessions of the sessionmaker have in common. */
  readonly shape: SessionShape;
  /** Through whom statements are issued. */
  readonly handle: () => SessionHandle;
  /** Through whom prepared queries are issued, when they are executed. */
  readonly preparedHandle: () => SessionHandle;
  /** Makes what a nested block is given, and runs the block with it. */
  readonly runBlock: <T>(
    handle: SessionHandle,
    block: (transaction: AnyTransaction) => Promise<T>,
  ) => Promise<T>;
}

/**
 * Turns what Drizzle compiled into statements of a session, and their rows
 * back into what the query describes.
 */
export class StatementRunner extends PgSession<SessionQueryResultHKT> {
  /** Drizzle's name for the class; `is()` compares it. */
  static override readonly [entityKind]: string = "NullpoolStatementRunner";

  /** The entities of the session. */
  readonly entities: Entities;
  readonly #context: RunnerContext;

  /** @param context What it works with. */
  constructor(context: RunnerContext) {
    super(context.shape.dialect);
    this.entities = new Entities(context.shape, context.handle);
    this.#context = context;
  }

  /** Through whom statements are issued now. */
  get handle(): SessionHandle {
    return this.#context.handle();
  }

  /**
   * Prepares a query. One with a name is bound when it is executed, all others
   * to the handle of now.
   */
  override prepareQuery<T extends PreparedQueryConfig = PreparedQueryConfig>(
    query: Query,
    fields: SelectedColumns | undefined,
    name: string | undefined,
    _isResponseInArrayMode: boolean,
    customResultMapper?: (rows: unknown[][]) => T["execute"],
    queryMetadata?: QueryMetadata,
    cacheConfig?: WithCacheConfig,
  ): PgPreparedQuery<T> {
    return new SessionPreparedQuery<T>(query, {
      fields,
      customResultMapper,
      queryMetadata,
      cacheConfig,
      handle: name === undefined
        ? this.#context.handle
        : this.#context.preparedHandle,
      shape: this.#context.shape,
    });
  }

  /** Runs a block as Drizzle's `transaction()` does. */
  override transaction<T>(
    transaction: (tx: AnyTransaction) => Promise<T>,
    config: BlockOptions = {},
  ): Promise<T> {
    const outer = this.handle;
    return outer.core.runBlock(
      outer,
      (inner) => this.#context.runBlock(inner, transaction),
      transactionOptions(config),
    );
  }

  /**
   * Reads a query row by row.
   *
   * @param query A builder or SQL.
   * @param options How it reads.
   * @throws {TypeError} When the query is neither.
   */
  stream(
    query: StreamableQuery<unknown>,
    options: StreamOptions,
  ): AsyncGenerator<unknown, void, void> {
    const prepared = this.#prepared(query, "nullpool_stream");
    checkArgument(
      prepared !== undefined,
      "stream",
      "a select or a relational query of a session, or SQL",
    );
    return prepared.stream(options, this.handle);
  }

  /**
   * Gives a query a place among the changes of the session.
   *
   * @param query A builder, or SQL.
   * @returns What it describes, once it is flushed; it may be left alone.
   * @throws {TypeError} When it is neither.
   * @throws {StateError} When it can have no place.
   */
  enqueue(query: EnqueueableQuery<unknown>): Promise<unknown> {
    const prepared = this.#prepared(query, "nullpool_enqueue");
    checkArgument(
      prepared !== undefined,
      "enqueue",
      "a query builder of a session, or SQL",
    );
    return prepared.enqueue(this.handle);
  }

  /** Runs a block inside a savepoint, or opens one without a block. */
  async nested<T>(
    block?: (tx: AnyTransaction) => Promise<T>,
  ): Promise<T | TransactionHandle> {
    const outer = this.handle;
    if (block === undefined) return outer.core.openNested(outer);
    return await outer.core.runNested(
      outer,
      (inner) => this.runBlock(inner, block),
    );
  }

  /** Runs a block with a transaction that speaks through a handle. */
  runBlock<T>(
    handle: SessionHandle,
    block: (tx: AnyTransaction) => Promise<T>,
  ): Promise<T> {
    return this.#context.runBlock(handle, block);
  }

  /** Counts rows, for `$count`. */
  override async count(query: SQL): Promise<number> {
    for (const chunk of query.queryChunks) {
      if (is(chunk, PgTable)) this.#context.shape.tables.read(chunk);
    }
    const prepared = this.#prepareRaw(query, ([row]) => Number(row?.[0]));
    return Number(await prepared.execute());
  }

  /** The compiled query, if it is one of a session: types can be cast away. */
  #prepared(
    query: EnqueueableQuery<unknown>,
    name: string,
  ): SessionPreparedQuery<PreparedQueryConfig> | undefined {
    if (is(query, SQL)) return this.#prepareRaw(query);
    const prepared = isPreparable(query) ? query.prepare(name) : undefined;
    return prepared instanceof SessionPreparedQuery ? prepared : undefined;
  }

  #prepareRaw(
    query: SQL,
    customResultMapper?: (rows: unknown[][]) => unknown,
  ): SessionPreparedQuery<PreparedQueryConfig> {
    return new SessionPreparedQuery(this.dialect.sqlToQuery(query), {
      fields: undefined,
      customResultMapper,
      queryMetadata: undefined,
      cacheConfig: undefined,
      handle: this.#context.handle,
      shape: this.#context.shape,
    });
  }
}

/**
 * The runner behind a database.
 *
 * @param database A session, or the transaction of a nested block.
 * @throws {TypeError} When it is neither.
 */
export function runnerOf(database: HandleDatabase): StatementRunner {
  const { session } = database._;
  if (session instanceof StatementRunner) return session;
  throw new TypeError("Cannot run a query: the current database is no session");
}

function isPreparable(
  query: unknown,
): query is { prepare(name: string): unknown } {
  return typeof query === "object" && query !== null && "prepare" in query &&
    typeof query.prepare === "function";
}

function transactionOptions(
  { accessMode, ...options }: BlockOptions,
): TransactionOptions {
  if (accessMode === undefined) return options;
  return { ...options, readOnly: accessMode === "read only" };
}
