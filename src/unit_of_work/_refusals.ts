import { StateError } from "../errors/state_error.ts";
import { type ColumnInfo, tableAndKey, type TableInfo } from "./table_info.ts";

/** An entity that the session does not know. */
export function unknownEntityError(
  call: string,
  entity: object,
  table: TableInfo | undefined,
): StateError {
  const what = table === undefined
    ? "the entity was never added or loaded"
    : `the entity of ${
      tableAndKey(table)
    } belongs to another session, or was forgotten`;
  return new StateError(
    "ENTITY_UNKNOWN",
    `Cannot ${call}: ${what}; load it with get() or find(), or give its row to track()`,
    { entities: [entity] },
  );
}

/** A value that the database has yet to make. */
export function notFlushedError(
  table: Pick<TableInfo, "name" | "readBack">,
  key: string,
): StateError {
  const cure = table.readBack === "none"
    ? `the table's readBack is "none", so it is never read`
    : `call flush() or commit() first, or use ref(entity).${key}`;
  return new StateError(
    "NOT_FLUSHED",
    `Cannot read "${key}" of "${table.name}": the database has yet to make it; ${cure}`,
  );
}

/** A table whose rows cannot be told apart. */
export function noPrimaryKeyError(
  call: string,
  { name }: TableInfo,
): StateError {
  return new StateError(
    "NO_PRIMARY_KEY",
    `Cannot ${call} "${name}": it has no primary key; use Drizzle's select(), insert(), update() and delete()`,
  );
}

/** A column that has to be given and was not. */
export function missingValueError(
  { name }: TableInfo,
  key: string,
): StateError {
  return new StateError(
    "VALUE_MISSING",
    `Cannot add to "${name}": column "${key}" refuses NULL, has no default, and was left out`,
  );
}

/** A column by which a row would be known that is there already. */
export function missingTargetError(
  { name }: TableInfo,
  key: string,
): StateError {
  return new StateError(
    "VALUE_MISSING",
    `Cannot add to "${name}": a row that is there is known by column "${key}", which was left out`,
  );
}

/** A generated column that was given a value. */
export function generatedError(
  { name }: Pick<TableInfo, "name">,
  key: string,
): TypeError {
  return new TypeError(
    `Cannot set "${key}" of "${name}": it is a generated column, which the database makes`,
  );
}

/** Two entities with one key, or for one row because of other columns. */
export function duplicateError(
  call: string,
  table: TableInfo,
  entities: readonly object[],
  columns: readonly ColumnInfo[] = [],
): StateError {
  const names = columns.map(({ key }) => `"${key}"`).join(", ");
  return new StateError(
    "ENTITY_DUPLICATE",
    `Cannot ${call}: the session has another entity of ${
      tableAndKey(table)
    } with the same ${names || "key"}; change that one`,
    { entities },
  );
}

/** A removed entity that was changed afterwards. */
export function removedError(
  call: string,
  table: TableInfo,
  entity: object,
): StateError {
  return new StateError(
    "ENTITY_REMOVED",
    `Cannot ${call}: the entity of ${
      tableAndKey(table)
    } was removed; change it before, or leave it in`,
    { entities: [entity] },
  );
}

/** Changes that wait for each other. */
export function cycleError(
  obstacle: string,
  entities: readonly object[],
): StateError {
  return new StateError(
    "FLUSH_CYCLE",
    `Cannot flush: ${obstacle}; flush in between, or make the constraint deferrable`,
    { entities },
  );
}

/** A row whose version nobody has read. */
export function unversionedError(table: TableInfo, entity: object): StateError {
  return new StateError(
    "VERSION_UNSUPPORTED",
    `Cannot change an entity of ${tableAndKey(table)}: its ${
      table.version ?? "version"
    } was not read; load it with get() or find()`,
    { entities: [entity] },
  );
}
