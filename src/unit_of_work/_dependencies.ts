import type { Change } from "./change_set.ts";
import { encodeKept, type KeptValue, UNKNOWN } from "./kept_value.ts";
import { KeyReference } from "./key_reference.ts";
import { Ref } from "./ref.ts";
import { keyText, storedOrPublished, storedValue } from "./row_key.ts";
import {
  type ColumnInfo,
  columnOf,
  type ForeignKeyInfo,
  type TableInfo,
  XMIN,
} from "./table_info.ts";
import { tablesInLockOrder } from "./_lock_order.ts";
import { uniqueColumns } from "./_unique_columns.ts";

/** Why one change has to come behind another one. */
export interface Dependency {
  /** The one that comes before. */
  readonly on: Change;
  /** The constraint that demands it. */
  readonly constraint: string;
  /**
   * The columns of a foreign key: as long as they are NULL, it demands
   * nothing. They are those of the inserted or the deleted row that refers.
   */
  readonly foreignKey: readonly ColumnInfo[] | undefined;
  /**
   * What the update that comes before has to write for it: the columns of a
   * foreign key. The others may follow later.
   */
  readonly leaves?: readonly ColumnInfo[] | undefined;
  /** Whether one statement may do both: it checks when all its rows are done. */
  readonly mayShare: boolean;
}

/**
 * Whether a change may be in the statement of what it depends on, or has to
 * come behind it.
 *
 * @param change The change.
 * @param dependency What it depends on.
 */
export function sharesStatement(
  change: Change,
  { mayShare, on }: Dependency,
): boolean {
  return mayShare && change.kind === on.kind &&
    change.isVersioned === on.isVersioned &&
    keySource(change) === keySource(on);
}

/** Where a statement finds the key of a row: one has it from one source. */
function keySource({ entry }: Change): string {
  const [column] = entry.table.primaryKey;
  if (column === undefined || entry.row[column.at] !== UNKNOWN) return "";
  return entry.published?.get(column.key)?.name ?? "";
}

/** What each change has to come behind; those that have to are listed only. */
export type Dependencies = Map<Change, Dependency[]>;

/** A list of columns that rows are looked up by. */
type RowIndex = Map<string, Change>;

/** Finds what changes of a flush depend on each other, row by row. */
export class DependencyFinder {
  readonly #byTable = new Map<TableInfo, TableChanges>();
  readonly #inserts = new Map<object, Change>();
  #hasRefs = false;
  readonly #found: Dependencies = new Map();

  /** @param changes The changes of a flush. */
  constructor(changes: readonly Change[]) {
    for (const change of changes) {
      const { entry, kind } = change;
      let ofTable = this.#byTable.get(entry.table);
      if (ofTable === undefined) {
        ofTable = new TableChanges(entry.table);
        this.#byTable.set(entry.table, ofTable);
      }
      ofTable[kind].push(change);
      if (entry.refs !== undefined) this.#hasRefs = true;
    }
  }

  /** The tables concerned, in the order in which their rows may be locked. */
  get tables(): readonly TableInfo[] {
    return tablesInLockOrder(
      [...this.#byTable.keys()],
      (table) => this.#byTable.get(table)?.insert.length !== 0,
    );
  }

  /** Finds all. */
  find(): Dependencies {
    if (this.#hasRefs) this.#indexInserts();
    for (const changes of this.#byTable.values()) {
      for (const foreignKey of changes.table.foreignKeys) {
        this.#followForeignKey(changes, foreignKey);
      }
      if (this.#hasRefs) {
        for (const change of changes.insert) this.#followRefs(change);
      }
      if (changes.update.length + changes.delete.length > 0) {
        this.#followUnique(changes);
      }
    }
    return this.#found;
  }

  #indexInserts(): void {
    for (const { insert } of this.#byTable.values()) {
      for (const change of insert) {
        this.#inserts.set(change.entry.entity, change);
      }
    }
  }

  #add(
    change: Change,
    { foreignKey, mayShare = false, ...given }:
      & Pick<Dependency, "on" | "constraint">
      & Partial<Dependency>,
  ): void {
    const dependency = { ...given, foreignKey, mayShare };
    if (dependency.on === change) return;
    const present = this.#found.get(change);
    if (present === undefined) this.#found.set(change, [dependency]);
    else present.push(dependency);
  }

  /** A reference needs the row that makes its value. */
  #followRefs(change: Change): void {
    const { entry: { refs, table }, columns, values } = change;
    if (refs === undefined) return;
    for (const [at, value] of values.entries()) {
      if (!(value instanceof Ref)) continue;
      const on = this.#inserts.get(value.entity);
      const column = columns[at];
      if (on === undefined || column === undefined) continue;
      this.#add(change, {
        on,
        constraint: `"${column.key}" of "${table.name}"`,
        foreignKey: [column],
      });
    }
  }

  /** What refers to a row comes behind it, and leaves before it goes. */
  #followForeignKey(
    { table, insert, update, delete: removed }: TableChanges,
    foreignKey: ForeignKeyInfo,
  ): void {
    if (table.deferrable.has(foreignKey.name)) return;
    const target = this.#byTable.get(foreignKey.target());
    if (target === undefined) return;
    const own = foreignKey.keys.map((key) => columnOf(table, key));
    const constraint = `foreign key "${foreignKey.name}"`;
    const { targetKeys } = foreignKey;
    const arriving = target.arriving(targetKeys);
    const leaving = target.leaving(targetKeys);
    for (const change of insert) {
      const on = find(arriving, own, (column) => newValue(change, column));
      if (on) this.#add(change, { on, constraint, foreignKey: own });
    }
    for (const change of update) {
      if (!own.some((column) => isWritten(change, column))) continue;
      const on = find(arriving, own, (column) => newValue(change, column));
      if (on) this.#add(change, { on, constraint });
      const left = find(leaving, own, (column) => oldValue(change, column));
      if (left === undefined) continue;
      if (left === on && follows(foreignKey, table)) continue;
      this.#add(left, { on: change, constraint, leaves: own });
    }
    const mayShare = target.table === table;
    for (const change of removed) {
      const left = find(leaving, own, (column) => oldValue(change, column));
      if (left) {
        this.#add(left, {
          on: change,
          constraint,
          foreignKey: own,
          mayShare,
        });
      }
    }
  }

  /** Who takes a value comes behind who gives it up. */
  #followUnique(changes: TableChanges): void {
    const { table, insert, update, delete: removed } = changes;
    const keys = uniqueColumns(table, insert);
    for (const { name, columns, nullText } of keys) {
      if (table.deferrable.has(name)) continue;
      const moved = update.filter((change) =>
        columns.some((column) => isWritten(change, column))
      );
      const given = new Map<string, Change>();
      for (const change of [...removed, ...moved]) {
        const text = keyText(
          columns,
          (column) => storedValue(change.entry, column),
          nullText,
        );
        if (text !== undefined) given.set(text, change);
      }
      const constraint = `unique constraint "${name}"`;
      for (const change of [...insert, ...moved]) {
        const text = keyText(
          columns,
          (column) => newValue(change, column),
          nullText,
        );
        const on = text === undefined ? undefined : given.get(text);
        if (on) this.#add(change, { on, constraint });
      }
    }
  }
}

/** The changes of one table. */
class TableChanges {
  readonly table: TableInfo;
  readonly insert: Change[] = [];
  readonly update: Change[] = [];
  readonly delete: Change[] = [];
  readonly #arriving = new Map<string, RowIndex>();
  readonly #leaving = new Map<string, RowIndex>();

  constructor(table: TableInfo) {
    this.table = table;
  }

  /** Rows by a key that they will have. */
  arriving(keys: readonly string[]): RowIndex {
    return this.#index(this.#arriving, keys, (columns) => [
      ...this.insert,
      ...this.#moving(columns),
    ], newValue);
  }

  /** Rows by a key that they have now and lose. */
  leaving(keys: readonly string[]): RowIndex {
    const present = this.#leaving.get(JSON.stringify(keys));
    if (present !== undefined) return present;
    const values = ({ entry }: Change, column: ColumnInfo) =>
      storedValue(entry, column);
    const index = this.#index(this.#leaving, keys, (columns) => [
      ...this.delete,
      ...this.#moving(columns),
    ], values);
    // Who refers to it may not have heard of its key yet.
    for (const change of this.delete) {
      const { published } = change.entry;
      const text = published && keyText(
        keys.map((key) => columnOf(this.table, key)),
        ({ key }) => published.get(key),
      );
      if (text !== undefined) index.set(text, change);
    }
    return index;
  }

  /** Rows that get another key. */
  #moving(columns: readonly ColumnInfo[]): Change[] {
    return this.update.filter((change) =>
      columns.some((column) => isWritten(change, column))
    );
  }

  #index(
    indexes: Map<string, RowIndex>,
    keys: readonly string[],
    changesOf: (columns: readonly ColumnInfo[]) => readonly Change[],
    valueOf: (change: Change, column: ColumnInfo) => unknown,
  ): RowIndex {
    const name = JSON.stringify(keys);
    const present = indexes.get(name);
    if (present !== undefined) return present;
    const columns = keys.map((key) => columnOf(this.table, key));
    const index: RowIndex = new Map();
    for (const change of changesOf(columns)) {
      const text = keyText(columns, (column) => valueOf(change, column));
      if (text !== undefined) index.set(text, change);
    }
    indexes.set(name, index);
    return index;
  }
}

function find(
  index: RowIndex,
  columns: readonly ColumnInfo[],
  valueOf: (column: ColumnInfo) => unknown,
): Change | undefined {
  if (index.size === 0) return undefined;
  const text = keyText(columns, valueOf);
  return text === undefined ? undefined : index.get(text);
}

/**
 * Whether the database has a row follow the one that it refers to, and finds it
 * where the flush does: under its key, and in its version.
 */
function follows(
  { keys, cascadesUpdates }: ForeignKeyInfo,
  { primaryKey, version }: TableInfo,
): boolean {
  return cascadesUpdates && version !== XMIN &&
    !primaryKey.some(({ key }) => keys.includes(key));
}

/** The value that a row has, or where statements will find it. */
function oldValue({ entry }: Change, column: ColumnInfo): unknown {
  return storedOrPublished(entry, column);
}

/** The value that a row will have, as far as it is known. */
function newValue(change: Change, column: ColumnInfo): unknown {
  const at = change.columns.indexOf(column);
  if (at < 0) {
    return change.kind === "insert"
      ? undefined
      : storedValue(change.entry, column);
  }
  const value = change.values[at];
  const isKnown = !(value instanceof Ref || value instanceof KeyReference);
  return isKnown ? value : undefined;
}

/** Whether an update gives a column another value. */
function isWritten(
  { columns, values, entry }: Change,
  column: ColumnInfo,
): boolean {
  const at = columns.indexOf(column);
  return at >= 0 && !isSame(column, entry.row[column.at], values[at]);
}

function isSame(
  column: ColumnInfo,
  before: KeptValue,
  after: KeptValue,
): boolean {
  if (Object.is(before, after)) return true;
  const isKnown = [before, after].every((value) =>
    value !== UNKNOWN && !(value instanceof Ref) &&
    !(value instanceof KeyReference)
  );
  return isKnown && encodeKept(column, before) === encodeKept(column, after);
}
