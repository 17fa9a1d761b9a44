import {
  entityKind,
  fillPlaceholders,
  type Query,
  type SQL,
} from "drizzle-orm";
import type { WithCacheConfig } from "drizzle-orm/cache/core/types";
import {
  PgPreparedQuery,
  type PgQueryResultHKT,
  PgSession,
  type PgTransaction,
  type PreparedQueryConfig,
} from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import type { Field, Result, Statement } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { SessionHandle } from "../session/session_core.ts";
import type { TransactionHandle } from "../session/transaction_handle.ts";
import type { StatementTables } from "../session/statement_tables.ts";
import { Entities } from "./entities.ts";
import type { SqlInput } from "./entity_types.ts";
import { mapRows, type SelectedColumns } from "./_internals.ts";
import { throughCache } from "./query_cache.ts";
import {
  onlyReads,
  type QueryMetadata,
  statementAccess,
} from "./statement_access.ts";
import type { HandleDatabase } from "./session_context.ts";
import type { SessionShape } from "./session_shape.ts";
import { type StreamOptions, streamRows } from "./stream_rows.ts";

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
    const prepared = "prepare" in query
      ? query.prepare("nullpool_stream")
      : this.#prepareRaw(query);
    if (prepared instanceof SessionPreparedQuery) {
      return prepared.stream(options, this.handle);
    }
    throw new TypeError(
      "Cannot stream: expected a select or a relational query of a session, or SQL",
    );
  }

  /**
   * Gives a query a place among the changes of the session.
   *
   * @param query A builder.
   * @throws {TypeError} When it is none.
   */
  async enqueue(query: EnqueueableQuery<unknown>): Promise<unknown> {
    const prepared = "prepare" in query
      ? query.prepare("nullpool_enqueue")
      : this.#prepareRaw(query);
    if (prepared instanceof SessionPreparedQuery) {
      return await prepared.enqueue(this.handle);
    }
    throw new TypeError(
      "Cannot enqueue: expected a query builder of a session, or SQL",
    );
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
    const prepared = this.#prepareRaw(query, ([row]) => Number(row?.[0]));
    return Number(await prepared.execute());
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

/** Hands a statement over to the session. */
type Send = (
  issuer: SessionHandle,
  statement: Statement,
  tablesOf: () => StatementTables,
) => Promise<Result>;

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

/** What a prepared query needs besides its SQL. */
interface PreparedParts<T extends PreparedQueryConfig> {
  readonly fields: SelectedColumns | undefined;
  readonly customResultMapper:
    | ((rows: unknown[][]) => T["execute"])
    | undefined;
  readonly queryMetadata: QueryMetadata | undefined;
  readonly cacheConfig: WithCacheConfig | undefined;
  readonly handle: () => SessionHandle;
  readonly shape: SessionShape;
}

/** A compiled query; it can be executed many times. */
export class SessionPreparedQuery<T extends PreparedQueryConfig>
  extends PgPreparedQuery<T> {
  static override readonly [entityKind]: string = "NullpoolPreparedQuery";

  /** Set by Drizzle's select builder after it has prepared. */
  joinsNotNullableMap: Record<string, boolean> | undefined;

  readonly #parts: PreparedParts<T>;

  constructor(query: Query, parts: PreparedParts<T>) {
    super(query, undefined, parts.queryMetadata);
    this.#parts = parts;
  }

  /** Runs it and maps the rows. */
  override async execute(
    placeholderValues?: Record<string, unknown>,
  ): Promise<T["execute"]> {
    return this.#map(await this.#run(this.#rowMode, placeholderValues));
  }

  /** Reads it row by row. */
  stream(
    options: StreamOptions,
    issuer: SessionHandle,
  ): AsyncGenerator<unknown, void, void> {
    return streamRows(
      issuer,
      this.#statement(this.#rowMode, this.query.params),
      (result) => this.#isMapped ? this.#map(result) : result.rows,
      { ...options, tablesOf: () => this.#tables },
    );
  }

  /** Runs it; rows as objects. */
  async all(
    placeholderValues?: Record<string, unknown>,
  ): Promise<T["all"]> {
    return (await this.#run("object", placeholderValues)).rows;
  }

  /** Runs it; rows as arrays. */
  async values(
    placeholderValues?: Record<string, unknown>,
  ): Promise<T["values"]> {
    return (await this.#run("array", placeholderValues)).rows;
  }

  /** Whether rows arrive as arrays; asked by batches. */
  isResponseInArrayMode(): boolean {
    return this.#parts.fields !== undefined;
  }

  /** Gives it a place among the changes of the session; it goes with the flush. */
  async enqueue(issuer: SessionHandle): Promise<T["execute"]> {
    return this.#map(
      await this.#run(
        this.#rowMode,
        {},
        (_, ...query) => issuer.core.enqueue(issuer, ...query),
      ),
    );
  }

  /** Asynchronous, so that a session that refuses rejects and never throws. */
  async #run(
    rowMode: Statement["rowMode"],
    placeholderValues: Record<string, unknown> = {},
    send: Send = (issuer, ...query) => issuer.core.execute(issuer, ...query),
  ): Promise<Result> {
    const { handle, shape, queryMetadata, cacheConfig } = this.#parts;
    const { sql } = this.query;
    const params = fillPlaceholders(this.query.params, placeholderValues);
    const issuer = handle();
    shape.logger?.logQuery(sql, params);
    const statement = this.#statement(rowMode, params);
    const run = () => send(issuer, statement, () => this.#tables);
    if (shape.cache === undefined) return await run();
    issuer.core.checkUse(issuer);
    return await throughCache(shape.cache, issuer.core, {
      text: sql,
      params,
      metadata: queryMetadata,
      config: cacheConfig,
    }, run);
  }

  /** Whether rows become what a builder selected, and not raw objects. */
  get #isMapped(): boolean {
    const { fields, customResultMapper } = this.#parts;
    return fields !== undefined || customResultMapper !== undefined;
  }

  /** What it is about, for the unit of work. */
  get #tables(): StatementTables {
    const { shape, queryMetadata } = this.#parts;
    const text = this.query.sql;
    const isSelect = this.#type === "select" && onlyReads(text);
    return shape.tables.tablesOf(text, queryMetadata, { isSelect });
  }

  get #type(): QueryMetadata["type"] | undefined {
    const { queryMetadata, customResultMapper } = this.#parts;
    return customResultMapper ? "select" : queryMetadata?.type;
  }

  get #rowMode(): Statement["rowMode"] {
    return this.#isMapped ? "array" : "object";
  }

  #statement(
    rowMode: Statement["rowMode"],
    params: readonly unknown[],
  ): Statement {
    const text = this.query.sql;
    return {
      text,
      params: params.map(toWireParameter),
      rowMode,
      access: statementAccess(text, this.#type),
    };
  }

  #map(result: Result): T["execute"] {
    const { fields, customResultMapper } = this.#parts;
    if (customResultMapper) return customResultMapper(arrayRows(result));
    if (!fields) return result;
    return mapRows(fields, result.rows, this.joinsNotNullableMap);
  }
}

function arrayRows(result: Result): unknown[][] {
  return result.rows.filter((row) => Array.isArray(row));
}

function transactionOptions(
  { accessMode, ...options }: BlockOptions,
): TransactionOptions {
  if (accessMode === undefined) return options;
  return { ...options, readOnly: accessMode === "read only" };
}
