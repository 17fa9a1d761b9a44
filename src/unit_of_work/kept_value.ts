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
 * An object of an entity as it was. It is compared as it would be written, so
 * a change inside of it is seen, whatever it is made of.
 */
class KeptObject {
  readonly #column: ColumnInfo;
  readonly #restore: () => unknown;
  #encoded: WireParameter | undefined;

  constructor(
    column: ColumnInfo,
    restore: () => unknown,
    encoded?: WireParameter,
  ) {
    this.#column = column;
    this.#restore = restore;
    this.#encoded = encoded;
  }

  /** A fresh copy. */
  restore(): unknown {
    return this.#restore();
  }

  /** Whether a value would be written the same way. */
  equals(value: unknown): boolean {
    // Encoded when it is asked for: most of what is loaded is never written.
    this.#encoded ??= this.#column.encode(this.#restore());
    const encoded = this.#column.encode(value);
    return encoded === this.#encoded ||
      (this.#column.isUnorderedJson &&
        canonical(encoded) === canonical(this.#encoded));
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
  if (isObject(raw)) return keepValue(column, value);
  return new KeptObject(column, () => column.decode(raw));
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
  const encoded = column.encode(value);
  const copy = copyOf(value);
  return new KeptObject(column, () => copyOf(copy), encoded);
}

/**
 * Whether a value is what was kept.
 *
 * @param kept What was kept.
 * @param value The value.
 */
export function isKept(kept: KeptValue, value: unknown): boolean {
  if (Object.is(kept, value)) return true;
  if (!isObject(value)) return false;
  return kept instanceof KeptObject && kept.equals(value);
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
  // Of its own class, such as Node's Buffer, whose `slice` copies nothing.
  if (value instanceof Uint8Array) {
    return Uint8Array.prototype.slice.call(value);
  }
  const prototype: unknown = isObject(value)
    ? Object.getPrototypeOf(value)
    : null;
  try {
    const copy = structuredClone(value);
    const isSame = !isObject(copy) ||
      Object.getPrototypeOf(copy) === prototype;
    return isSame ? copy : value;
  } catch {
    return value;
  }
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
