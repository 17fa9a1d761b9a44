import type { WireParameter } from "../driver/parameter.ts";
import type { StaleCheck } from "../errors/wrap_driver_error.ts";
import { KeyReference } from "./key_reference.ts";

/** What a statement that writes is given. */
export interface GivenValues {
  /** By row: what is written, in the order of its columns. */
  readonly rows?: readonly (readonly unknown[])[];
  /** By row: the primary key, where the rows are there. */
  readonly keys?: readonly (readonly unknown[])[];
  /** By row: the version, where it is compared. */
  readonly versions?: readonly unknown[] | undefined;
}

/** The values of a statement that writes, by row. */
export class RowValues implements Required<GivenValues> {
  /** Keeps what V8 has compiled for long lists; see `PlainShape`. */
  static readonly #specimen = new RowValues({});
  readonly rows: readonly (readonly unknown[])[];
  readonly keys: readonly (readonly unknown[])[];
  readonly versions: readonly unknown[];

  /** @param given What there is of them. */
  constructor({ rows = [], keys = [], versions = [] }: GivenValues) {
    this.rows = rows;
    this.keys = keys;
    this.versions = versions;
  }

  /** How many rows: a new one has no key yet, a removed one no values. */
  get count(): number {
    return this.rows.length || this.keys.length;
  }
}

/**
 * Makes a parameter of a statement.
 *
 * @param values The statement's.
 * @param key Tells it from others of its flight, in the error of its check.
 */
export type Slot = (values: RowValues, key: string) => WireParameter;

/** Numbers the parameters of a statement. */
export class Parameters {
  /** What makes them, in order. */
  readonly slots: Slot[] = [];

  /** Adds one that is known; its placeholder. */
  add(value: WireParameter): string {
    return this.addLater(() => value);
  }

  /**
   * Adds one that is made when the statement is sent: while the server works on
   * one page of a long list, the next one is written.
   */
  addLater(slot: Slot): string {
    return `$${this.slots.push(slot)}`;
  }
}

/** A statement that writes, but for its values. */
export interface StatementText {
  /** Its SQL. */
  readonly text: string;
  /** What makes its parameters, in order. */
  readonly slots: readonly Slot[];
  /** How a wrong number of rows is told; nothing where there is none. */
  readonly stale: Omit<StaleCheck, "key"> | undefined;
}

/** More than a program has: nobody writes every set of columns. */
const MOST = 200;

/**
 * The statements of a table that were written for one row. Their text depends
 * on what they do and on the columns: to write it anew each time took 4 % of
 * the CPU of a request that changes a row.
 */
export class StatementTexts {
  readonly #texts = new Map<string, StatementText>();

  /**
   * A statement's text.
   *
   * @param name All that the text for one row of plain values depends on;
   * nothing where it depends on more.
   * @param values The values that it is for.
   * @param write Writes it.
   */
  of(
    name: string | undefined,
    values: RowValues,
    write: () => StatementText,
  ): StatementText {
    if (name === undefined || !isOnePlainRow(values)) return write();
    let found = this.#texts.get(name);
    if (found === undefined) {
      found = write();
      if (this.#texts.size >= MOST) this.#texts.clear();
      this.#texts.set(name, found);
    }
    return found;
  }
}

/**
 * Names columns in the name of a text.
 *
 * @param columns Of one table.
 */
export function placesOf(columns: readonly { readonly at: number }[]): string {
  let places = "";
  for (const { at } of columns) places += `${at},`;
  return places;
}

/** Where another statement has made a value, the text says where it is. */
function isOnePlainRow(
  { count, rows: [row], keys: [key] }: RowValues,
): boolean {
  return count === 1 && !row?.some(isReference) && !key?.some(isReference);
}

function isReference(value: unknown): boolean {
  return value instanceof KeyReference;
}
