import type { Result } from "../driver/statement.ts";
import { duplicateError } from "./_refusals.ts";
import type { Change } from "./change_set.ts";
import type { Entry } from "./entry.ts";
import { fillIn } from "./entry_values.ts";
import type { PlannedStatement } from "./flush_plan.ts";
import { type IdentityMap, rowKey } from "./identity_map.ts";
import {
  isKept,
  keepValue,
  type KeptValue,
  restored,
  UNKNOWN,
} from "./kept_value.ts";
import { KeyReference } from "./key_reference.ts";
import { setValue } from "./entity_shape.ts";
import { Ref } from "./ref.ts";
import { hasValue } from "./row_key.ts";
import {
  type ColumnInfo,
  columnOf,
  type TableInfo,
  XMIN,
} from "./table_info.ts";
import { NEVER } from "./undo_log.ts";
import { isLeftToRow, mayDiffer } from "./upsert.ts";

/** What a column, or an entity that was frozen, has thrown at an answer. */
export interface Refusal {
  /** That. */
  readonly error: unknown;
}

/** Rows that are being written: from their statement to its answer. */
export class WrittenRows {
  readonly #map: IdentityMap;

  /** @param map Where the entries are. */
  constructor(map: IdentityMap) {
    this.#map = map;
  }

  /**
   * Takes a statement for done: rows are as it leaves them, as far as that is
   * known.
   *
   * @param planned The statement.
   * @param epoch The transaction that it runs in.
   */
  seal(
    { changes, publications, rows }: PlannedStatement,
    epoch: number,
  ): void {
    const [first] = changes;
    const unknown = first ? unknownRow(first.entry.table) : [];
    for (const [at, change] of changes.entries()) {
      const { entry, kind } = change;
      if (kind === "delete") this.#map.forget(entry);
      else {
        // A copy is of the length that it keeps; there may be many.
        const row = kind === "insert" ? unknown : entry.row;
        this.#write(change, row.slice());
        for (const [key, name] of publications) {
          publish(entry, key, new KeyReference(name, at + 1));
        }
        // An update may read nothing back of what others have written.
        const isFresh = kind === "insert" || entry.table.readBack === "all";
        if (isFresh) entry.readIn = epoch;
      }
      rows.push(entry.row);
    }
  }

  /**
   * Takes in the answer to a statement: what the database has made.
   *
   * @param planned The statement.
   * @param result Its answer.
   * @returns What was thrown at it; all else is taken in.
   */
  answer(
    { changes, read, rows }: PlannedStatement,
    result: Result,
  ): Refusal | undefined {
    const [first] = changes;
    if (first === undefined || first.kind === "delete") return undefined;
    let refusal: Refusal | undefined;
    for (let at = 0; at < changes.length; at++) {
      const change = changes[at];
      const raw = result.rows[at];
      if (change === undefined) continue;
      const { entry } = change;
      entry.awaited--;
      if (!Array.isArray(raw)) continue;
      const refused = fillRow(entry, rows[at] ?? entry.row, { read, raw });
      if (refused !== undefined) entry.readIn = NEVER;
      refusal ??= refused ?? this.#twin(change);
      if (read.length > 0) this.#map.follow(entry);
    }
    return refusal;
  }

  /** Two texts may be one value, so there may be an entity of that row. */
  #twin({ entry, conflict }: Change): Refusal | undefined {
    if (conflict === undefined) return undefined;
    const { table, entity } = entry;
    const key = rowKey(entry);
    const present = key === undefined ? undefined : this.#map.at(table, key);
    if (present === undefined || present === entry) return undefined;
    return { error: duplicateError("flush", table, [present.entity, entity]) };
  }

  /**
   * Takes back what an answer has brought, unless something else is known of
   * the row by now: its flight has failed behind it.
   *
   * @param planned The statement.
   */
  takeBack({ changes, read, rows }: PlannedStatement): void {
    for (const [at, change] of changes.entries()) {
      const { entry, kind } = change;
      if (kind !== "insert" || entry.row !== rows[at]) continue;
      for (const column of read) {
        if (isMade(change, column)) this.#forgetMade(entry, column);
        else if (change.conflict !== undefined) giveBack(change, column);
      }
    }
  }

  /** What the database has made is as unknown again as it was. */
  #forgetMade({ entity, table, row }: Entry, column: ColumnInfo): void {
    const kept = row[column.at];
    const isHeld = hasValue(entity, column.key) &&
      isKept(kept, entity[column.key]);
    row[column.at] = UNKNOWN;
    if (isHeld) table.shape.hide(entity, column);
  }

  /**
   * Gives up waiting for the answer to a statement: it failed, or was undone.
   *
   * @param planned The statement.
   */
  unanswered({ changes }: PlannedStatement): void {
    for (const { entry, kind } of changes) {
      if (kind === "delete") continue;
      entry.awaited--;
      entry.readIn = NEVER;
    }
  }

  /**
   * Gives up the answer to a statement that was done: what a row that was there
   * has got in place of what was given is as unknown as what it had.
   *
   * @param planned The statement.
   */
  unread(planned: PlannedStatement): void {
    this.unanswered(planned);
    for (const [at, { entry, conflict }] of planned.changes.entries()) {
      if (conflict === undefined) continue;
      for (const column of entry.table.columns) {
        // A later statement has written what it knows.
        const sealed = planned.rows[at]?.[column.at];
        const isLatest = Object.is(entry.row[column.at], sealed);
        if (isLatest && mayDiffer(entry, column)) {
          this.#forgetMade(entry, column);
        }
      }
      this.#map.follow(entry);
    }
  }

  #write(
    { entry, kind, columns, values, expressions }: Change,
    row: KeptValue[],
  ): void {
    for (let at = 0; at < columns.length; at++) {
      const column = columns[at];
      if (column === undefined) continue;
      const isUnknown = kind === "insert" && isLeftToRow(entry, column);
      row[column.at] = isUnknown
        ? UNKNOWN
        : this.#known(entry, column, values[at]);
    }
    for (const column of expressions?.keys() ?? []) {
      // A type that is written as SQL: the entity has the value.
      if (!hasValue(entry.entity, column.key)) continue;
      row[column.at] = keepValue(column, entry.entity[column.key]);
    }
    entry.row = row;
    entry.state = "stored";
    entry.awaited++;
    if (kind === "update") countVersion(entry);
    this.#map.move(entry, rowKey(entry));
  }

  /** A value that a statement writes, as far as it is known. */
  #known(entry: Entry, { key }: ColumnInfo, value: unknown): KeptValue {
    if (entry.refs === undefined) return value;
    const source = value instanceof Ref
      ? this.#map.of(value.entity)?.published?.get(value.key)
      : value;
    if (source instanceof KeyReference) publish(entry, key, source);
    if (value instanceof Ref || value instanceof KeyReference) return UNKNOWN;
    // What it referred to has got its key since.
    const isLate = value !== null && entry.refs.has(key);
    if (isLate && !hasValue(entry.entity, key)) {
      setValue(entry.entity, key, restored(value));
    }
    return value;
  }
}

/** What was given is there again, in place of what the row had. */
function giveBack(
  { entry, columns, values }: Change,
  column: ColumnInfo,
): void {
  const { entity, row } = entry;
  const at = columns.indexOf(column);
  const given = values[at];
  const kept = row[column.at];
  if (at < 0 || given instanceof Ref) return;
  if (hasValue(entity, column.key) && isKept(kept, entity[column.key])) {
    setValue(entity, column.key, restored(given));
  }
  row[column.at] = given;
}

/** Whether the entity had no value for a column before the insert was answered. */
function isMade(
  { entry, columns, expressions }: Change,
  column: ColumnInfo,
): boolean {
  const { key } = column;
  if (entry.upsert?.made.has(column)) return true;
  if (columns.includes(column)) return entry.refs?.has(key) ?? false;
  // A type that is written as SQL: the entity has the value.
  return !expressions?.has(column) || (entry.expressions?.has(key) ?? false);
}

/** Takes in a row that came back, as far as it can be. */
function fillRow(
  entry: Entry,
  sealed: KeptValue[],
  { read, raw }: {
    readonly read: readonly ColumnInfo[];
    readonly raw: readonly unknown[];
  },
): Refusal | undefined {
  const { table } = entry;
  let refusal: Refusal | undefined;
  for (let index = 0; index < read.length; index++) {
    const column = read[index];
    try {
      if (column) fillIn(entry, sealed, column, raw[index]);
    } catch (error) {
      refusal ??= { error };
    }
  }
  if (table.version !== XMIN) return refusal;
  const at = table.columns.length;
  if (entry.row !== sealed && entry.row[at] === sealed[at]) {
    entry.row[at] = raw[read.length];
  }
  sealed[at] = raw[read.length];
  return refusal;
}

/** What is known of a row before anything is. */
function unknownRow({ columns, version }: TableInfo): KeptValue[] {
  return new Array<KeptValue>(columns.length + (version === XMIN ? 1 : 0))
    .fill(UNKNOWN);
}

/** As the statement does; where nothing is read back, nobody else tells. */
function countVersion({ table, row, entity }: Entry): void {
  const { version } = table;
  if (version === undefined) return;
  if (version === XMIN) {
    row[table.columns.length] = UNKNOWN;
    return;
  }
  const { at } = columnOf(table, version);
  const present = row[at];
  if (typeof present === "number") row[at] = present + 1;
  else if (typeof present === "bigint") row[at] = present + 1n;
  else if (present === null) row[at] = 1;
  else return;
  setValue(entity, version, row[at]);
}

/** Says where statements find a value of an entry. */
function publish(entry: Entry, key: string, reference: KeyReference): void {
  entry.published = new Map(entry.published).set(key, reference);
}
