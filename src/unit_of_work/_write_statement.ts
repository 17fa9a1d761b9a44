import type { WireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import type { StaleCheck } from "../errors/wrap_driver_error.ts";
import type { Parameters } from "./_row_list.ts";
import { keyNames, type TableInfo } from "./table_info.ts";

/** A statement that finds another number of rows than it must. */
export interface CountedWrite {
  /** The table. */
  readonly table: TableInfo;
  /** What it does to the table, such as `delete from`. */
  readonly attempt: string;
  /** Whether its rows are new. */
  readonly isInsert: boolean;
  /** How many rows it has to find. */
  readonly expected: number;
}

/**
 * Makes a statement that writes.
 *
 * @param text Its SQL.
 * @param parameters Its parameters.
 * @param counted How a wrong number of rows is told.
 */
export function writeStatement(
  text: string,
  parameters: Parameters,
  counted?: CountedWrite,
): Statement {
  const stale = counted && {
    key: parameters.key,
    table: counted.table.name,
    attempt: `${counted.attempt} "${counted.table.name}" by ${
      keyNames(counted.table)
    }`,
    isInsert: counted.isInsert,
    expected: counted.expected,
  };
  return new WriteStatement(text, parameters, stale);
}

/**
 * A class, because an accessor of its own would give each statement a hidden
 * class of its own.
 */
class WriteStatement implements Statement {
  readonly text: string;
  readonly rowMode = "array";
  readonly access = "write";
  readonly stale: StaleCheck | undefined;
  readonly #parameters: Parameters;

  constructor(
    text: string,
    parameters: Parameters,
    stale: StaleCheck | undefined,
  ) {
    this.text = text;
    this.#parameters = parameters;
    this.stale = stale;
  }

  /** Made when they are sent. */
  get params(): readonly WireParameter[] {
    return this.#parameters.values;
  }
}

/**
 * A condition that fails the statement, on the server, unless a query has just
 * so many rows: a text that is no number is read as one. It depends on the
 * count, or the planner would evaluate it ahead.
 *
 * @param query The name of the query.
 * @param expected How many rows it has to have.
 * @param parameters Takes the number.
 */
export function countCheck(
  query: string,
  expected: number,
  parameters: Parameters,
): string {
  const count = parameters.add(String(expected));
  const key = parameters.add(parameters.key);
  return `(select case when count(*) = ${count}::int8 then 0 else ('nullpool:stale:' || ${key}::text || ':' || count(*))::int4 end from ${query}) = 0`;
}
