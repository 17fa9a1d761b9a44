import { checkArgument } from "../errors/check_argument.ts";
import { StateError } from "../errors/state_error.ts";
import { type ColumnInfo, tableAndKey, type TableInfo } from "./table_info.ts";

/** An entity that the session does not know. */
export function unknownEntityError(
  call: string,
  entity: object,
  table: TableInfo | undefined,
): StateError {
  const what = table === undefined
    ? strangeness(entity)
    : `the entity of ${
      tableAndKey(table)
    } belongs to another session, or was forgotten; ${LOAD}`;
  return new StateError("ENTITY_UNKNOWN", `Cannot ${call}: ${what}`, {
    entities: [entity],
  });
}

/**
 * Refuses what no session can have had: where a row was not found, mostly.
 *
 * @param given What was given.
 * @param call What it is needed for.
 * @throws {TypeError} When it is no object.
 */
export function checkEntity(given: unknown, call: string): void {
  const isObject = typeof given === "object" && given !== null;
  checkArgument(isObject, call, "an entity");
}

const LOAD = "load it with get() or find(), or give its row to track()";

/** What there is to say of an object that no session has ever had. */
function strangeness(given: object): string {
  if (given instanceof Promise) return "a promise is no entity; await it";
  if (Array.isArray(given)) {
    return "a list is no entity; give its entities one by one";
  }
  return `the entity was never added or loaded; ${LOAD}`;
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
