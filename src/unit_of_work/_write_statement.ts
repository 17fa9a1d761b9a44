import type { WireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import type { StaleCheck } from "../errors/wrap_driver_error.ts";
import {
  type GivenValues,
  type Parameters,
  RowValues,
  type StatementText,
} from "./statement_texts.ts";
import { keyNames, type TableInfo } from "./table_info.ts";

/**
 * Makes a statement that writes.
 *
 * @param given Its table and its values.
 * @param name All that the text for one row of plain values depends on beside
 * the table; nothing where it depends on more.
 * @param write Writes its text.
 */
export function writeStatement(
  given: GivenValues & { readonly table: TableInfo },
  name: string | undefined,
  write: (values: RowValues) => StatementText,
): Statement {
  const values = new RowValues(given);
  const written = given.table.texts.of(name, values, () => write(values));
  return new WriteStatement(written, values);
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
  readonly #key = newKey();
  readonly #written: StatementText;
  readonly #values: RowValues;

  constructor(written: StatementText, values: RowValues) {
    const { text, stale } = written;
    this.text = text;
    this.#written = written;
    this.#values = values;
    this.stale = stale && {
      key: this.#key,
      table: stale.table,
      attempt: stale.attempt,
      isInsert: stale.isInsert,
      expected: stale.expected,
    };
  }

  /** Made when they are sent. */
  get params(): readonly WireParameter[] {
    return this.#written.slots.map((slot) => slot(this.#values, this.#key));
  }
}

/** So many that no two of a flight are alike. */
function newKey(): string {
  return Math.random().toString(36).slice(2, 12);
}

/** A statement that has to find a number of rows. */
interface CountedWrite {
  /** What it does to the table, such as `delete from`. */
  readonly attempt: string;
  /** The table. */
  readonly table: TableInfo;
  /** How many rows it has to find. */
  readonly expected: number;
}

/**
 * How it is told that a statement has found another number of rows.
 *
 * @param counted The statement.
 */
export function staleText(
  { attempt, table, expected }: CountedWrite,
): NonNullable<StatementText["stale"]> {
  return {
    table: table.name,
    attempt: `${attempt} "${table.name}" by ${keyNames(table)}`,
    isInsert: attempt.startsWith("insert"),
    expected,
  };
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
  const key = parameters.addLater((_, key) => key);
  return `(select case when count(*) = ${count}::int8 then 0 else ('nullpool:stale:' || ${key}::text || ':' || count(*))::int4 end from ${query}) = 0`;
}
