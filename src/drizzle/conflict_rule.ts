import type { PgTable } from "drizzle-orm/pg-core";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { Ref } from "../unit_of_work/ref.ts";
import type { SqlExpression } from "../unit_of_work/sql_expression.ts";
import type { ColumnInfo, TableInfo } from "../unit_of_work/table_info.ts";
import type { ConflictRule } from "../unit_of_work/conflict.ts";
import { writtenValue } from "../unit_of_work/upsert.ts";
import type { OnConflict, TableColumn } from "./entity_types.ts";
import { keyIn } from "./table_info.ts";

const CONFLICT_OPTIONS: OptionNames<OnConflict<PgTable>> = {
  target: true,
  set: true,
};

/**
 * Reads what is asked for where a row is there already.
 *
 * @param table The table.
 * @param info What is known of it.
 * @param options What was given.
 * @throws {TypeError} When it names what is no column of the table, or gives
 * what is no value of one.
 */
export function conflictRule(
  table: PgTable,
  info: TableInfo,
  options: OnConflict<PgTable>,
): ConflictRule {
  checkOptionNames("onConflict", options, CONFLICT_OPTIONS);
  if (info.readBack === "none") {
    throw new TypeError(
      `Cannot use option "onConflict" with "${info.name}": its readBack is "none", so nobody would know which row it is; enqueue() an insert of Drizzle's`,
    );
  }
  const { target, set } = options;
  const columns: readonly (TableColumn | undefined)[] = [target].flat();
  if (columns.length === 0) throw targetError(info);
  return {
    target: columns.map((column) => targetColumn(table, info, column)),
    set: set && new Map(
      Object.entries(set)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => assignment(info, key, value)),
    ),
  };
}

function targetColumn(
  table: PgTable,
  info: TableInfo,
  column: TableColumn | undefined,
): ColumnInfo {
  const found = column?.table === table
    ? info.byKey.get(keyIn(table, column))
    : undefined;
  if (found === undefined) throw targetError(info);
  return found;
}

function targetError({ name }: TableInfo): TypeError {
  return new TypeError(
    `Cannot use option "target": it is a column of "${name}", or a list of its columns`,
  );
}

function assignment(
  info: TableInfo,
  key: string,
  value: unknown,
): [ColumnInfo, SqlExpression] {
  const column = info.byKey.get(key);
  const isWritable = column !== undefined && column.maker !== "generated";
  if (!isWritable || value instanceof Ref) {
    throw new TypeError(
      `Cannot use option "set": "${key}" is no column of "${info.name}" that can be set, or its value is a reference`,
    );
  }
  const expression = typeof value === "object" && value !== null
    ? info.expressionOf(value)
    : undefined;
  return [column, expression ?? writtenValue(column, value)];
}
