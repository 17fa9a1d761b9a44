import { StateError } from "../errors/state_error.ts";
import type { Field, FlightResult, Result } from "../driver/statement.ts";
import type { Statement } from "../driver/statement.ts";
import type { TypeParser } from "./type_parsers.ts";

/** Builds one row from its texts. */
type RowReader = (texts: readonly (string | null)[]) => unknown;

/**
 * Collects the answers to one flight, message by message.
 *
 * PostgreSQL answers the statements in order: RowDescription, DataRow,
 * CommandComplete; an ErrorResponse is the last answer before ReadyForQuery.
 */
export class FlightReader {
  /**
   * V8 throws away the code that it has compiled for reading rows when a
   * garbage collection finds no reader.
   */
  static readonly #specimen = new FlightReader([], () => String);
  readonly #statements: readonly Statement[];
  readonly #parserOf: (oid: number) => TypeParser;
  readonly #results: Result[] = [];
  #fields: readonly Field[] = [];
  #rows: unknown[] = [];
  #readRow: RowReader | undefined;
  /** Why the rows of the statement that is answered now cannot be read. */
  #unreadable: StateError | undefined;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param statements What was sent, in order.
   * @param parserOf The parser for a type OID.
   */
  constructor(
    statements: readonly Statement[],
    parserOf: (oid: number) => TypeParser,
  ) {
    this.#statements = statements;
    this.#parserOf = parserOf;
  }

  /** Takes the columns of the rows to come. */
  rowDescription(fields: readonly Field[]): void {
    const rowMode = this.#statements[this.#results.length]?.rowMode;
    this.#fields = fields;
    if (rowMode === "none") return;
    this.#readRow = rowReader(fields, this.#parserOf, rowMode);
  }

  /**
   * Takes one row. A parser that throws spoils the rows of its statement: the
   * server has done it all the same, and what is behind it, such as COMMIT.
   */
  dataRow(texts: readonly (string | null)[]): void {
    if (this.#failure !== undefined || this.#readRow === undefined) return;
    try {
      this.#rows.push(this.#readRow(texts));
    } catch {
      // What a parser throws may quote the value.
      this.#unreadable = new StateError(
        "ANSWER_UNREADABLE",
        "Cannot read a row: a type parser threw; the statement was executed",
      );
      this.#readRow = undefined;
    }
  }

  /** Takes the end of a statement with its command tag, such as `INSERT 0 1`. */
  commandComplete(tag: string): void {
    const count = /\d+$/.exec(tag);
    this.complete(
      tag.split(" ", 1)[0] ?? "",
      count === null ? null : Number(count[0]),
    );
  }

  /** Takes the end of a statement with what its command tag says. */
  complete(command: string, rowCount: number | null): void {
    if (this.#failure !== undefined) return;
    const answer = {
      rows: this.#rows,
      command,
      rowCount,
      fields: this.#fields,
    };
    const onAnswer = this.#statements[this.#results.length]?.onAnswer;
    if (this.#unreadable !== undefined) {
      const result = new UnreadableResult(answer, this.#unreadable);
      onAnswer?.(result);
      this.#results.push(result);
    } else {
      onAnswer?.(answer);
      // Who was told has them: here they would wait for the rest of the flight.
      this.#results.push(onAnswer ? { ...answer, rows: [] } : answer);
    }
    this.#fields = [];
    this.#rows = [];
    this.#readRow = undefined;
    this.#unreadable = undefined;
  }

  /** Takes the failure of a statement or of the connection; the first stays. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** What the flight came back with. */
  end(): FlightResult {
    return this.#failure === undefined
      ? { results: this.#results }
      : { results: this.#results, failure: this.#failure.error };
  }
}

/** Of a statement that was executed, and whose rows nobody can have. */
class UnreadableResult implements Result {
  readonly command: string;
  readonly rowCount: number | null;
  readonly fields: readonly Field[];
  readonly unreadable: StateError;

  constructor(
    { command, rowCount, fields }: Result,
    unreadable: StateError,
  ) {
    this.command = command;
    this.rowCount = rowCount;
    this.fields = fields;
    this.unreadable = unreadable;
  }

  /** Some of them would be taken for all. */
  get rows(): never {
    throw this.unreadable;
  }
}

function rowReader(
  fields: readonly Field[],
  parserOf: (oid: number) => TypeParser,
  rowMode: "object" | "array" | undefined,
): RowReader {
  const parsers = fields.map((field) => parserOf(field.dataTypeID));
  function read(texts: readonly (string | null)[]): unknown[] {
    return texts.map((text, index) => {
      const parse = parsers[index];
      return text === null || parse === undefined ? null : parse(text);
    });
  }
  if (rowMode !== "object") return read;
  const names = fields.map((field) => field.name);
  return (texts) => {
    const values = read(texts);
    // `__proto__` is a legal column name: defining avoids its setter.
    return Object.fromEntries(names.map((name, at) => [name, values[at]]));
  };
}
