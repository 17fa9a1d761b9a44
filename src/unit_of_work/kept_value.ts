import type { WireParameter } from "../driver/parameter.ts";
import type { ColumnInfo } from "./table_info.ts";

/** In place of a value that is not known: nobody has read it. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/**
 * What the database has in a column, as the session knows it: a primitive, an
 * object in a form that later changes to it leave alone, or `UNKNOWN`.
 */
export type KeptValue = unknown;

/**
 * What an object is made from again: a row, JSON, a date's time, or a copy. An
 * instance of somebody's class, of which there is no row yet, stands for itself.
 */
type Form = "raw" | "json" | "time" | "copy" | "itself";

/**
 * An object of an entity as it was. It is compared as it would be written, so
 * a change inside of it is seen, whatever it is made of.
 */
export class KeptObject {
  readonly #column: ColumnInfo;
  readonly #form: Form;
  readonly #source: unknown;
  #encoded: WireParameter | undefined;

  /**
   * @param column Its column.
   * @param form What it is made from again.
   * @param source The same.
   */
  constructor(column: ColumnInfo, form: Form, source: unknown) {
    this.#column = column;
    this.#form = form;
    this.#source = source;
    this.#encoded = undefined;
  }

  /** As it is written; most of what is loaded never is. */
  get encoded(): WireParameter {
    // What is compared by its time is written once.
    if (this.#form === "time") return this.#column.encode(this.restore());
    this.#encoded ??= this.#form === "json"
      ? String(this.#source)
      : this.#column.encode(this.restore());
    return this.#encoded;
  }

  /** What puts it in an order: a time needs no encoding for that. */
  get order(): unknown {
    return this.#form === "time" ? this.#source : this.encoded;
  }

  /**
   * Makes sure that it can be written.
   *
   * @throws {TypeError} When it is none of the column's type.
   */
  check(): void {
    const { listType } = this.#column;
    // A time that there is can be written wherever a date is legal.
    const isTime = this.#form === "time" && !Number.isNaN(this.#source);
    if (!isTime || listType === undefined) void this.encoded;
  }

  /** A fresh copy. */
  restore(): unknown {
    switch (this.#form) {
      case "copy":
        return copyOf(this.#source);
      case "itself":
        return this.#source;
      case "time":
        return new Date(Number(this.#source));
      default:
        // What it makes of it may hold parts of it.
        return this.#column.decode(copyOf(this.#source));
    }
  }

  /** Whether later changes to the object change it, too. */
  get isAlias(): boolean {
    return this.#form === "itself";
  }

  /** Whether a value would be written the same way. */
  equals(value: object): boolean {
    if (this.#form === "time" && value instanceof Date) {
      // Equal dates need no encoding to be known as such.
      const time = value.getTime();
      if (Object.is(time, this.#source)) return true;
      // Infinity, and times before Christ, are read as no date at all.
      if (Number.isNaN(time) || Number.isNaN(this.#source)) return false;
    }
    let encoded: WireParameter;
    try {
      encoded = this.#column.encode(value);
    } catch {
      // What cannot be written is another value; the flush says so.
      return false;
    }
    if (encoded === this.encoded) return true;
    if (this.#column.isJson) {
      return this.#column.isUnorderedJson &&
        canonical(encoded) === canonical(this.encoded);
    }
    // One that is encrypted is written differently each time.
    return isSame(this.restore(), value);
  }
}

/**
 * Keeps what a row carried.
 *
 * @param column Its column.
 * @param raw The value as the driver has parsed it.
 * @param value The same, decoded.
 */
export function keepRaw(
  column: ColumnInfo,
  raw: unknown,
  value: unknown,
): KeptValue {
  if (!isObject(value)) return value;
  if (!isObject(raw) && !isDate(value)) {
    return new KeptObject(column, "raw", raw);
  }
  const kept = keepValue(column, value);
  const isAlias = kept instanceof KeptObject && kept.isAlias;
  return isAlias ? new KeptObject(column, "raw", copyOf(raw)) : kept;
}

/**
 * Keeps a value of an entity.
 *
 * @param column Its column.
 * @param value The value.
 * @throws {TypeError} When it is none of the column's type.
 */
export function keepValue(column: ColumnInfo, value: unknown): KeptValue {
  if (!isObject(value)) return value;
  if (column.isJson) {
    return new KeptObject(column, "json", column.encode(value));
  }
  if (isDate(value)) return new KeptObject(column, "time", value.getTime());
  const copy = copyOf(value);
  return new KeptObject(column, copy === value ? "itself" : "copy", copy);
}

/** Whether it is one, and of nobody's own class. */
function isDate(value: object): value is Date {
  return value instanceof Date &&
    Object.getPrototypeOf(value) === Date.prototype;
}

/**
 * Keeps a value that is to be written.
 *
 * @param column Its column.
 * @param value The value.
 * @throws {TypeError} When it is none of the column's type: nothing was sent.
 */
export function keepWritten(column: ColumnInfo, value: unknown): KeptValue {
  const kept = keepValue(column, value);
  if (kept instanceof KeptObject) kept.check();
  else if (!column.isPlain) column.encode(kept);
  return kept;
}

/**
 * A kept value as it is written.
 *
 * @param column Its column.
 * @param kept What was kept.
 */
export function encodeKept(column: ColumnInfo, kept: KeptValue): WireParameter {
  return kept instanceof KeptObject ? kept.encoded : column.encode(kept);
}

/**
 * Whether a value is what was kept.
 *
 * @param kept What was kept.
 * @param value The value.
 */
export function isKept(kept: KeptValue, value: unknown): boolean {
  if (Object.is(kept, value)) return true;
  return kept instanceof KeptObject && isObject(value) && kept.equals(value);
}

/**
 * What was kept, as a value that may be changed.
 *
 * @param kept What was kept; it is known.
 */
export function restored(kept: KeptValue): unknown {
  return kept instanceof KeptObject ? kept.restore() : kept;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An instance of somebody's class may have no copy: it stands for itself. */
function copyOf(value: unknown): unknown {
  if (!isObject(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Their elements may be of anybody's class, which a clone would lose.
  if (Array.isArray(value)) return value.map(copyOf);
  // Of its own class, such as Node's Buffer, whose `slice` copies nothing.
  if (value instanceof Uint8Array) {
    return Uint8Array.prototype.slice.call(value);
  }
  try {
    const copy: unknown = structuredClone(value);
    const isSame = isObject(copy) && Object.getPrototypeOf(copy) === prototype;
    return isSame ? copy : value;
  } catch {
    return value;
  }
}

/** Whether two objects are alike; of instances of classes nobody knows. */
function isSame(one: unknown, other: unknown): boolean {
  // One and the same object proves nothing: it may have changed inside.
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  if (one === other) return false;
  if (isDate(one) && isDate(other)) {
    return Object.is(one.getTime(), other.getTime());
  }
  if (one instanceof Uint8Array && other instanceof Uint8Array) {
    return one.length === other.length &&
      one.every((byte, at) => byte === other[at]);
  }
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length &&
      one.every((item, at) => isSame(item, other[at]));
  }
  const parts = Object.entries(one);
  const others = Object.entries(other);
  return isPlain(one) && isPlain(other) && parts.length === others.length &&
    parts.every(([key, value], at) =>
      key === others[at]?.[0] && isSame(value, others[at][1])
    );
}

/** An object of nobody's class. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** JSON with its keys in order. */
function canonical(text: WireParameter): WireParameter {
  if (text === null) return null;
  return JSON.stringify(
    JSON.parse(text),
    (_, value: unknown) =>
      isObject(value) && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(byName))
        : value,
  );
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
