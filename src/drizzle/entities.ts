import { getTableName, is, SQL } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { toWireParameter } from "../driver/parameter.ts";
import type { Result, Statement } from "../driver/statement.ts";
import { checkArgument } from "../errors/check_argument.ts";
import { StaleDataError } from "../errors/database_error.ts";
import type { SessionHandle } from "../session/session_core.ts";
import { explainedXmin } from "../session/explained_xmin.ts";
import type { StatementTables } from "../session/statement_tables.ts";
import type { Entity } from "../unit_of_work/entry.ts";
import { Ref } from "../unit_of_work/ref.ts";
import { keyText, requireKey } from "../unit_of_work/row_key.ts";
import {
  type LockOptions,
  selectStatement,
} from "../unit_of_work/select_statement.ts";
import {
  type ColumnInfo,
  keyNames,
  type TableInfo,
} from "../unit_of_work/table_info.ts";
import type { ConflictRule } from "../unit_of_work/conflict.ts";
import type { UnitOfWork } from "../unit_of_work/unit_of_work.ts";
import { findQuery } from "./_find_query.ts";
import { isAlias } from "./_internals.ts";
import { conflictRule } from "./conflict_rule.ts";
import type {
  AddOptions,
  FindOptions,
  GetOptions,
  Lock,
} from "./entity_types.ts";
import {
  addNested,
  type AnyValues,
  type NestedParts,
} from "./nested_values.ts";
import type { SessionShape } from "./session_shape.ts";

/** The entities of a session, as one handle sees them: Drizzle's tables in, plain objects out. */
export class Entities {
  readonly #shape: SessionShape;
  readonly #handle: () => SessionHandle;

  /**
   * @param shape What all sessions of the sessionmaker have in common.
   * @param handle Through whom statements are issued.
   */
  constructor(shape: SessionShape, handle: () => SessionHandle) {
    this.#shape = shape;
    this.#handle = handle;
  }

  /** What is known of a table; under another name it has no entities. */
  #infoOf(table: PgTable): TableInfo {
    if (is(table, PgTable) && isAlias(table)) throw aliasError(table);
    return this.#shape.tables.read(table);
  }

  /** Makes an entity, and those of related rows; all of them or none. */
  add(
    table: PgTable,
    values: AnyValues,
    options?: AddOptions<PgTable>,
  ): Entity {
    return this.addAll(table, [values], options)[0] ?? {};
  }

  /** Makes entities; all of them or none. */
  addAll(
    table: PgTable,
    rows: readonly AnyValues[],
    { onConflict }: AddOptions<PgTable> = {},
  ): Entity[] {
    const work = this.#begin();
    const { relational } = this.#shape;
    const info = this.#infoOf(table);
    checkRows(rows, `add to "${info.name}"`);
    const rule = onConflict && conflictRule(table, info, onConflict);
    const made: Entity[] = [];
    function add(table: TableInfo, row: AnyValues, rule?: ConflictRule) {
      const entity = work.add(table, row, rule);
      made.push(entity);
      return entity;
    }
    const parts: NestedParts = {
      relational,
      isEntity: (row, related, relation) =>
        work.isEntity(this.#infoOf(related), row, `add "${relation}"`),
      add: (related, row) => add(this.#infoOf(related), row),
    };
    // Mostly there are no others, and it is the same for thousands of rows.
    const addOwn = (_: PgTable, row: AnyValues) => add(info, row, rule);
    try {
      return rows.map((row) => addNested(table, row, parts, addOwn));
    } catch (error) {
      for (const entity of made) work.expunge(entity);
      throw error;
    }
  }

  /** The entity with a key. */
  async get(
    table: PgTable,
    key: unknown,
    { lock }: GetOptions = {},
  ): Promise<Entity | undefined> {
    const info = this.#infoOf(table);
    const parts = keyParts(info, key);
    const work = this.#begin();
    const text = partsText(info, parts);
    const present = work.present(info, text);
    if (present === null) return undefined;
    if (present !== undefined && lock === undefined) return present;
    const overwrite = lock !== undefined;
    return await this.#read(info, parts, { lock, overwrite });
  }

  /** The entities of rows. */
  async find(
    table: PgTable,
    where: SQL | undefined,
    options: FindOptions = {},
  ): Promise<Entity[]> {
    const { lock } = options;
    const info = this.#infoOf(table);
    requireKey("find in", info);
    const { sql: text, params } = findQuery(this.#shape.dialect, info, {
      ...options,
      where,
      lock: lock === undefined ? undefined : lockOptions(lock),
    });
    const handle = this.#handle();
    const { work } = handle.core;
    const tables = this.#shape.tables.tablesOf(text, undefined, {
      isSelect: true,
    });
    const isPure = lock === undefined && tables.names !== undefined;
    const asking = this.#ask(info, {
      text,
      params: params.map(toWireParameter),
      rowMode: "array",
      access: isPure ? "pure" : "write",
    }, () => tables);
    // Behind what it has flushed itself.
    const askedAt = work.now;
    const { rows } = await asking;
    return rows.filter((row) => Array.isArray(row)).map((row) =>
      work.load(info, row, { overwrite: lock !== undefined, askedAt })
    );
  }

  /** Tracks rows of a select. */
  track(table: PgTable, rows: readonly Entity[]): Entity[] {
    const info = this.#infoOf(table);
    const work = this.#begin();
    checkRows(rows, `track rows of "${info.name}"`);
    return rows.map((row) => work.track(info, row));
  }

  /** Copies values onto the entity of their key. */
  async merge(table: PgTable, values: AnyValues): Promise<Entity> {
    const info = this.#infoOf(table);
    checkRows([values], `merge into "${info.name}"`);
    for (const [key, value] of Object.entries(values)) {
      const isValue = !(value instanceof Ref) && !is(value, SQL);
      if (info.byKey.has(key) && isValue) continue;
      throw new TypeError(
        `Cannot merge into "${info.name}": "${key}" is no column, or its value is none`,
      );
    }
    const isComplete = info.primaryKey.length > 0 &&
      info.primaryKey.every(({ key }) => values[key] !== undefined);
    const key = info.primaryKey.length === 1
      ? values[info.primaryKey[0]?.key ?? ""]
      : values;
    const present = isComplete ? await this.get(table, key) : undefined;
    if (present === undefined) return this.add(table, values);
    const { version } = info;
    const isOther = version !== undefined && values[version] !== undefined &&
      values[version] !== present[version];
    if (isOther) {
      throw staleError(info, `merge into "${info.name}"`, present);
    }
    for (const { key } of info.columns) {
      if (values[key] !== undefined) present[key] = values[key];
    }
    return present;
  }

  /** Reads the row of an entity again. */
  async refresh(entity: object, lock: Lock | undefined): Promise<void> {
    const work = this.#begin();
    const isFlushed = this.#handle().core.autoflushes;
    const { table, key } = work.rowOf("refresh", entity, { isFlushed });
    const loaded = await this.#read(table, key, { lock, overwrite: true });
    // One that somebody else has locked may be left out.
    if (loaded === undefined && !isLeftOut(lock)) {
      throw staleError(table, `refresh "${table.name}"`, entity);
    }
  }

  /** Has the next flush delete an entity. */
  remove(entity: object): void {
    this.#begin().remove(entity);
  }

  /** Forgets an entity. */
  expunge(entity: object): void {
    this.#begin().expunge(entity);
  }

  /** Sends what is pending. */
  flush(): Promise<void> {
    const handle = this.#handle();
    return handle.core.flush(handle);
  }

  /** Refuses whoever may not speak, and begins the transaction. */
  #begin(): UnitOfWork {
    const handle = this.#handle();
    handle.core.join(handle);
    return handle.core.work;
  }

  async #read(
    info: TableInfo,
    key: readonly unknown[],
    { lock, overwrite }: {
      readonly lock: Lock | undefined;
      readonly overwrite: boolean;
    },
  ): Promise<Entity | undefined> {
    const { work } = this.#handle().core;
    const statement = selectStatement(
      info,
      key,
      lock === undefined ? undefined : lockOptions(lock),
    );
    const asking = this.#ask(
      info,
      statement,
      () => ({ isRead: true, names: new Set([info.name]) }),
    );
    // Behind what it has flushed itself.
    const askedAt = work.now;
    const { rows: [row] } = await asking;
    if (Array.isArray(row)) return work.load(info, row, { overwrite, askedAt });
    if (!isLeftOut(lock)) work.forgetRow(info, partsText(info, key));
    return undefined;
  }

  /** Runs a select of a table. */
  async #ask(
    info: TableInfo,
    statement: Statement,
    tablesOf: () => StatementTables,
  ): Promise<Result> {
    const handle = this.#handle();
    try {
      return await handle.core.execute(handle, statement, tablesOf);
    } catch (error) {
      throw explainedXmin(error, info);
    }
  }
}

/** A list in place of a row would be a row of which nothing is known. */
function checkRows(rows: readonly unknown[], call: string): void {
  const areRows = Array.isArray(rows) &&
    rows.every((row) =>
      typeof row === "object" && row !== null && !Array.isArray(row)
    );
  checkArgument(areRows, call, "a row, or a list of rows, as objects");
}

/** Whether a row that is there may not come. */
function isLeftOut(lock: Lock | undefined): boolean {
  return lock !== undefined && (lockOptions(lock).skipLocked ?? false);
}

function lockOptions(lock: Lock): LockOptions {
  return typeof lock === "string" ? { strength: lock } : lock;
}

/** The parts of a key as the identity map has them. */
function partsText(
  { primaryKey }: TableInfo,
  parts: readonly unknown[],
): string {
  const valueOf = (column: ColumnInfo) => parts[primaryKey.indexOf(column)];
  return keyText(primaryKey, valueOf) ?? "";
}

/** The parts of a key in the order of the table's. */
function keyParts(info: TableInfo, key: unknown): unknown[] {
  const { name, primaryKey } = info;
  const call = `get from "${name}"`;
  requireKey("get from", info);
  const named = typeof key === "object" && key !== null ? key : {};
  const isSingle = primaryKey.length === 1;
  return primaryKey.map((column) => {
    checkArgument(
      !isSingle || !Object.hasOwn(named, column.key),
      call,
      `the value of "${column.key}", not an object with it`,
    );
    const part: unknown = isSingle ? key : Reflect.get(named, column.key);
    if (part !== undefined && part !== null && !Number.isNaN(part)) return part;
    throw new TypeError(
      `Cannot ${call}: part "${column.key}" of the key is ${
        Number.isNaN(part) ? "NaN" : "missing"
      }`,
    );
  });
}

function staleError(
  table: TableInfo,
  attempt: string,
  entity: object,
): StaleDataError {
  const error = new StaleDataError(
    `Cannot ${attempt} by ${keyNames(table)}: the row is not as it was loaded`,
    { table: table.name, found: 0 },
  );
  error.entities = [entity];
  return error;
}

function aliasError(table: PgTable): TypeError {
  return new TypeError(
    `Cannot use the unit of work: "${
      getTableName(table)
    }" is an alias; give it the table itself`,
  );
}
