import { entityKind, fillPlaceholders, type Query } from "drizzle-orm";
import type { WithCacheConfig } from "drizzle-orm/cache/core/types";
import { PgPreparedQuery, type PreparedQueryConfig } from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import { readable, type Result, type Statement } from "../driver/statement.ts";
import { StateError } from "../errors/state_error.ts";
import type { SessionHandle } from "../session/session_core.ts";
import type { StatementTables } from "../session/statement_tables.ts";
import { mapRows, type SelectedColumns } from "./_internals.ts";
import { besideCache, throughCache } from "./query_cache.ts";
import type { SessionShape } from "./session_shape.ts";
import {
  onlyReads,
  type QueryMetadata,
  statementAccess,
} from "./statement_access.ts";
import { type StreamOptions, streamRows } from "./stream_rows.ts";

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
  async *stream(
    options: StreamOptions,
    issuer: SessionHandle,
  ): AsyncGenerator<unknown, void, void> {
    yield* streamRows(
      issuer,
      this.#statement(this.#rowMode, this.#filledParams()),
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

  /**
   * Gives it a place among the changes of the session; it goes with the flush.
   *
   * @param issuer Through whom.
   * @returns What it describes, once it is flushed; it may be left alone.
   * @throws {StateError} When it can have no place.
   */
  enqueue(issuer: SessionHandle): Promise<T["execute"]> {
    const params = this.#filledParams();
    const statement = this.#statement(this.#rowMode, params);
    const place = () =>
      issuer.core.enqueue(issuer, statement, () => this.#tables);
    const { cache } = this.#parts.shape;
    const answer = cache === undefined
      ? place()
      : besideCache(cache, issuer.core, this.#parts.queryMetadata, place);
    const mapped = this.#mapEnqueued(answer);
    // The flush fails with it; who does not wait for it hears of that.
    mapped.catch(() => {});
    return mapped;
  }

  async #mapEnqueued(answer: Promise<Result>): Promise<T["execute"]> {
    const result = await answer;
    if (result.isLost) throw answerLostError();
    return this.#map(result);
  }

  /** Asynchronous, so that a session that refuses rejects and never throws. */
  async #run(
    rowMode: Statement["rowMode"],
    placeholderValues?: Record<string, unknown>,
  ): Promise<Result> {
    const { handle, shape, queryMetadata, cacheConfig } = this.#parts;
    const issuer = handle();
    const params = this.#filledParams(placeholderValues);
    const statement = this.#statement(rowMode, params);
    const run = (own: Statement) =>
      issuer.core.execute(issuer, own, () => this.#tables);
    if (shape.cache === undefined) return await run(statement);
    issuer.core.checkUse(issuer);
    return await throughCache(shape.cache, issuer.core, {
      scope: shape.cacheScope,
      statement,
      params,
      metadata: queryMetadata,
      config: cacheConfig,
    }, async (own) => readable(await run(own)));
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

  get #access(): Statement["access"] {
    const access = statementAccess(this.query.sql, this.#type);
    const isPure = access === "read" && this.#tables.names !== undefined;
    return isPure ? "pure" : access;
  }

  get #type(): QueryMetadata["type"] | undefined {
    const { queryMetadata, customResultMapper } = this.#parts;
    return customResultMapper ? "select" : queryMetadata?.type;
  }

  get #rowMode(): Statement["rowMode"] {
    return this.#isMapped ? "array" : "object";
  }

  /** Its parameters; the logger is told of the query with them. */
  #filledParams(placeholderValues: Record<string, unknown> = {}): unknown[] {
    const { sql, params } = this.query;
    const filled = fillPlaceholders(params, placeholderValues);
    this.#parts.shape.logger?.logQuery(sql, filled);
    return filled;
  }

  #statement(
    rowMode: Statement["rowMode"],
    params: readonly unknown[],
  ): Statement {
    const text = this.query.sql;
    const access = this.#access;
    return {
      text,
      params: params.map(toWireParameter),
      rowMode,
      access,
      // Nobody keeps track of its rows.
      mayLag: access === "pure",
    };
  }

  #map(result: Result): T["execute"] {
    const { fields, customResultMapper } = this.#parts;
    if (customResultMapper) return customResultMapper(arrayRows(result));
    if (!fields) return readable(result);
    return mapRows(fields, result.rows, this.joinsNotNullableMap);
  }
}

function arrayRows(result: Result): unknown[][] {
  return result.rows.filter((row) => Array.isArray(row));
}

/** A commit that is known to be done, without its answers. */
function answerLostError(): StateError {
  return new StateError(
    "ANSWER_LOST",
    "Cannot tell what the statement returned: it was committed, and the answer was lost; read it again, and do not run it again",
  );
}
