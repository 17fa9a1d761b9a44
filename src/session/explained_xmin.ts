import { DatabaseError } from "../errors/database_error.ts";
import { StateError } from "../errors/state_error.ts";
import {
  tableAndKey,
  type TableInfo,
  XMIN,
} from "../unit_of_work/table_info.ts";

/**
 * Says why a table has no `xmin`, where that is what a statement failed for.
 *
 * @param error What it failed with.
 * @param table The table.
 * @param entities What it was about.
 * @returns The error itself where it is another one.
 */
export function explainedXmin(
  error: unknown,
  table: TableInfo,
  entities: readonly object[] = [],
): unknown {
  const lacksXmin = table.version === XMIN &&
    error instanceof DatabaseError && error.sqlstate === "42703" &&
    error.message.includes(XMIN);
  if (!lacksXmin) return error;
  return new StateError(
    "VERSION_UNSUPPORTED",
    `Cannot use ${
      tableAndKey(table)
    }: it has no xmin, as a view has none; use a version column`,
    { cause: error, entities },
  );
}
