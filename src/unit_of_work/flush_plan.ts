import type { Statement } from "../driver/statement.ts";
import {
  deleteStatement,
  type RowSelection,
  updateStatement,
} from "./change_statements.ts";
import { compareLocks, inLockOrder } from "./_lock_order.ts";
import { notFlushedError } from "./_refusals.ts";
import { type Change, versionOf } from "./change_set.ts";
import type { Entry } from "./entry.ts";
import { type Place, placeChanges, type Placement } from "./flush_order.ts";
import {
  insertStatement,
  isCountable,
  type Publication,
} from "./insert_statement.ts";
import { KeyReference } from "./key_reference.ts";
import { type KeptValue, UNKNOWN } from "./kept_value.ts";
import { Ref } from "./ref.ts";
import { hasValue, storedValue } from "./row_key.ts";
import { type ColumnInfo, columnOf, columnsToRead } from "./table_info.ts";
import { conflictShape } from "./conflict.ts";
import { isLeftToRow } from "./upsert.ts";

/**
 * Rows of a statement: while the server works on one, the answer to the one
 * before is taken in. Fewer gain nothing, more leave the session waiting.
 */
const PAGE = 2_000;

/** A statement of a flush. */
export interface PlannedStatement {
  /** What to send. */
  readonly statement: Statement;
  /** What it does, row by row; rows come back in this order. */
  readonly changes: readonly Change[];
  /** The columns that come back. */
  readonly read: readonly ColumnInfo[];
  /** Rows as they are once it has run, as far as they are known. */
  readonly rows: KeptValue[][];
  /** By property: what its rows are published under, for later statements. */
  readonly publications: ReadonlyMap<string, string>;
}

/** How a flush is planned. */
export interface FlushPlanOptions {
  /** Whether statements that are yet unknown may refer to what it makes. */
  readonly publishAll: boolean;
  /** Makes a name that the transaction has not used. */
  readonly newName: () => string;
}

/**
 * Turns changes into the fewest statements that one flight can carry, in an
 * order that the database accepts.
 *
 * @param changes What is to be done.
 * @param options How it is planned.
 * @returns The statements, in order.
 * @throws {StateError} When changes wait for each other in a circle.
 * @throws {TypeError} When a value is none of its column's type.
 */
export function planFlush(
  changes: readonly Change[],
  options: FlushPlanOptions,
): PlannedStatement[] {
  // Nothing has to come before the other where there is no other.
  if (isAlone(changes)) return new Planner(changes, options).plan(changes);
  const placement = placeChanges(changes);
  const planner = new Planner(placement.changes, options);
  return groupsOf(placement).flatMap((group) => planner.plan(group));
}

/** One that does not refer to itself either. */
function isAlone(changes: readonly Change[]): boolean {
  return changes.length === 1 && changes[0]?.entry.refs === undefined;
}

/** Changes that may share a statement. */
function groupsOf({ changes, placeOf }: Placement): (readonly Change[])[] {
  const groups = new Map<string, Group>();
  const tables = new Map<unknown, number>();
  let last: Group | undefined;
  for (const change of changes) {
    const place = placeOf(change);
    if (last === undefined || !belongs(last, change, place)) {
      const { table } = change.entry;
      const number = tables.get(table) ?? tables.size;
      tables.set(table, number);
      const name = `${number} ${place.slot} ${place.step} ${shapeOf(change)}`;
      last = groups.get(name) ?? { place, changes: [] };
      groups.set(name, last);
    }
    last.changes.push(change);
  }
  return [...groups.values()]
    .map(({ place, changes }) => ({ place, changes: inLockOrder(changes) }))
    .toSorted((a, b) =>
      a.place.slot - b.place.slot || a.place.step - b.place.step ||
      compareLocks(a.changes, b.changes)
    )
    .map(({ changes }) => changes);
}

/** Changes that may share a statement, and their place. */
interface Group {
  readonly place: Place;
  readonly changes: Change[];
}

/** Whether one is of a group, as far as that can be told at a glance. */
function belongs(
  { place: { slot, step }, changes: [first] }: Group,
  change: Change,
  place: Place,
): boolean {
  return first !== undefined && slot === place.slot && step === place.step &&
    first.columns === change.columns && first.kind === change.kind &&
    first.entry.table === change.entry.table &&
    first.isVersioned === change.isVersioned &&
    !first.expressions && !change.expressions &&
    !first.conflict && !change.conflict;
}

/** What changes of one statement have in common. */
function shapeOf(
  { kind, columns, expressions, conflict, isVersioned }: Change,
): string {
  let shape = `${kind} ${isVersioned}`;
  if (conflict !== undefined) shape += ` ${conflictShape(conflict)}`;
  for (const { at } of columns) shape += ` ${at}`;
  for (const [{ at }, { signature }] of expressions ?? []) {
    shape += ` ${at}=${signature}`;
  }
  return shape;
}

/** Plans one group after the other; later ones may refer to earlier ones. */
class Planner {
  readonly #options: FlushPlanOptions;
  readonly #wanted = new Map<object, Set<string>>();
  readonly #places = new Map<object, ReadonlyMap<string, KeyReference>>();

  constructor(changes: readonly Change[], options: FlushPlanOptions) {
    this.#options = options;
    for (const { entry, kind, values } of changes) {
      if (entry.refs === undefined) continue;
      for (const value of values) {
        if (value instanceof Ref) this.#want(value.entity, value.key);
      }
      // A second step finds its row by the key that the first one makes.
      if (kind !== "update" || entry.state !== "new") continue;
      for (const { key } of entry.table.primaryKey) {
        if (!hasValue(entry.entity, key)) this.#want(entry.entity, key);
      }
    }
  }

  /** Somebody refers to it. */
  #want(entity: object, key: string): void {
    const keys = this.#wanted.get(entity) ?? new Set();
    this.#wanted.set(entity, keys.add(key));
  }

  plan(changes: readonly Change[]): PlannedStatement[] {
    const [first] = changes;
    if (first === undefined) return [];
    const size = pageSize(first);
    return this.#byReference(changes).flatMap(({ changes, rows, keys }) =>
      starts(changes.length, size).map((start) => {
        const slice = <T>(list: readonly T[]) =>
          list.slice(start, start + size);
        return this.#statement(slice(changes), slice(rows), slice(keys));
      })
    );
  }

  /** A list has references to one name in all its rows, or in none. */
  #byReference(changes: readonly Change[]): ResolvedGroup[] {
    if (!changes.some(({ entry }) => mayRefer(entry))) {
      const rows = changes.map(({ values }) => values);
      const keys = changes[0]?.kind === "insert"
        ? []
        : changes.map(({ entry }) => this.#keyOf(entry));
      return [{ changes, rows, keys }];
    }
    const groups = new Map<string, {
      changes: Change[];
      rows: (readonly unknown[])[];
      keys: (readonly unknown[])[];
    }>();
    for (const change of changes) {
      const { entry, kind, values } = change;
      const row = entry.refs === undefined
        ? values
        : values.map((value) => this.#resolve(value));
      const key = kind === "insert" ? NO_KEY : this.#keyOf(entry);
      const name = referencesOf(key) + referencesOf(row);
      let group = groups.get(name);
      if (group === undefined) {
        group = { changes: [], rows: [], keys: [] };
        groups.set(name, group);
      }
      group.changes.push(change);
      group.rows.push(row);
      group.keys.push(key);
    }
    return [...groups.values()];
  }

  #resolve(value: unknown): unknown {
    if (!(value instanceof Ref)) return value;
    return this.#places.get(value.entity)?.get(value.key) ?? value;
  }

  /** The key that the row has on the server when the statement runs. */
  #keyOf(entry: Entry): unknown[] {
    return entry.table.primaryKey.map((column) => {
      const stored = entry.row[column.at] ?? UNKNOWN;
      if (stored !== UNKNOWN) return storedValue(entry, column);
      const { key } = column;
      const place = this.#places.get(entry.entity)?.get(key) ??
        entry.published?.get(key);
      if (place !== undefined) return place;
      if (hasValue(entry.entity, key)) return entry.entity[key];
      throw notFlushedError(entry.table, key);
    });
  }

  #statement(
    changes: readonly Change[],
    rows: readonly (readonly unknown[])[],
    keys: readonly (readonly unknown[])[],
  ): PlannedStatement {
    const [first] = changes;
    if (first === undefined) throw new TypeError("A statement needs changes");
    const { entry: { table }, kind, columns, expressions } = first;
    const { conflict, isVersioned } = first;
    const unknown = [
      ...expressions?.keys() ?? [],
      ...columns.filter((_, at) => rows[0]?.[at] instanceof KeyReference),
    ];
    // A row that was there has values of its own.
    const read = columnsToRead(table, conflict ? table.columns : unknown);
    if (kind === "insert") {
      const published = this.#publish(changes);
      const statement = insertStatement({
        table,
        columns,
        rows,
        read,
        expressions,
        conflict,
        publications: published,
      });
      const publications = new Map(
        published.map(({ column, name }) => [column.key, name]),
      );
      return { statement, changes, read, rows: [], publications };
    }
    const selection: RowSelection = {
      table,
      keys,
      versions: isVersioned
        ? changes.map(({ entry }) => versionOf(entry))
        : undefined,
    };
    const statement = kind === "delete"
      ? deleteStatement(selection)
      : updateStatement({ ...selection, columns, rows, read, expressions });
    return { statement, changes, read, rows: [], publications: new Map() };
  }

  /** Names what later statements refer to, or may refer to. */
  #publish(changes: readonly Change[]): Publication[] {
    const columns = this.#publishedColumns(changes);
    const publications = columns.map((column) => ({
      column,
      name: this.#options.newName(),
    }));
    if (publications.length === 0) return publications;
    for (const [at, { entry }] of changes.entries()) {
      const places = publications.map(({ column: { key }, name }) =>
        [key, new KeyReference(name, at + 1)] as const
      );
      this.#places.set(entry.entity, new Map(places));
    }
    return publications;
  }

  #publishedColumns(changes: readonly Change[]): ColumnInfo[] {
    const [first] = changes;
    if (first === undefined) return [];
    const { entry, columns } = first;
    const { table, entity } = entry;
    const wanted = new Set<string>();
    for (const { entry } of this.#wanted.size === 0 ? [] : changes) {
      for (const key of this.#wanted.get(entry.entity) ?? []) wanted.add(key);
    }
    if (this.#options.publishAll && table.readBack !== "none") {
      for (const column of table.primaryKey) {
        const isKnown = hasValue(entity, column.key) ||
          (columns.includes(column) && !isLeftToRow(entry, column));
        if (!isKnown) wanted.add(column.key);
      }
    }
    return [...wanted].map((key) => columnOf(table, key));
  }
}

function pageSize(
  { kind, entry: { table }, columns, expressions, conflict }: Change,
): number {
  // Rows that refer to each other go together, and their keys are short.
  if (kind === "delete") return Infinity;
  const isAlone = kind === "insert" &&
    !isCountable({ table, columns, expressions, conflict });
  return isAlone ? 1 : PAGE;
}

const NO_KEY: readonly unknown[] = [];

/**
 * Whether a value, or the key, may be one that another statement makes. A row
 * that is written in two steps has references.
 */
function mayRefer({ refs, published }: Entry): boolean {
  return refs !== undefined || published !== undefined;
}

/** The names of what values refer to. */
function referencesOf(values: readonly unknown[]): string {
  let names = "";
  for (const [at, value] of values.entries()) {
    if (value instanceof KeyReference) names += `${at}=${value.name},`;
  }
  return names + ";";
}

/** Changes of one statement, with what they refer to. */
interface ResolvedGroup {
  readonly changes: readonly Change[];
  readonly rows: readonly (readonly unknown[])[];
  readonly keys: readonly (readonly unknown[])[];
}

/** Where pages of a list begin. */
function starts(length: number, size: number): number[] {
  const found = [0];
  for (let start = size; start < length; start += size) found.push(start);
  return found;
}
