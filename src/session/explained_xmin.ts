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
    error instanceof DatabaseError && tellsOfXmin(error);
  if (!lacksXmin) return error;
  return new StateError(
    "VERSION_UNSUPPORTED",
    `Cannot use ${
      tableAndKey(table)
    }: it has no xmin, as a view, or does not tell it of a new row, as a partitioned table; use a version column`,
    { cause: error, entities },
  );
}

/** No such column; or no system column of a row that went to a partition. */
function tellsOfXmin({ sqlstate, message }: DatabaseError): boolean {
  return sqlstate === "0A000" ||
    (sqlstate === "42703" && message.includes(XMIN));
}
