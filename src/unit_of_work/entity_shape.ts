import { generatedError, notFlushedError } from "./_refusals.ts";
import type { Entity } from "./entry.ts";
import { KeptObject } from "./kept_value.ts";
import type { ColumnInfo, EntityShape, TableInfo } from "./table_info.ts";

/** What its entities need to know of a table. */
type ShapedTable = Pick<TableInfo, "name" | "readBack" | "columns">;

/**
 * The entities of a table: plain objects, whose properties throw until the
 * database has made their values.
 *
 * Each table has a constructor, whose objects are as plain as those of `{}`:
 * `Object.prototype` is their prototype. But V8 gives them a hidden class of
 * their own. With `{}`, tables and sessions would share one, and where two of
 * them have an accessor of the same name, such as `id`, V8 makes each object a
 * dictionary, of five times the size.
 *
 * V8 forgets a hidden class when a garbage collection finds no object of it,
 * and throws away the machine code that was compiled for such objects: after
 * some seconds without a request, the next thousand rows would cost twice as
 * much. So each table keeps specimens.
 */
export class PlainShape implements EntityShape {
  readonly #Entity: new () => Entity;
  readonly #table: ShapedTable;
  readonly #accessors = new Map<ColumnInfo, PropertyDescriptor>();
  /**
   * A complete entity, and what is kept of a value. Nobody reads them: it is
   * enough that they are there.
   */
  readonly #specimens: readonly object[];

  /** @param table The table. */
  constructor(table: ShapedTable) {
    this.#table = table;
    this.#Entity = plainConstructor();
    const entity = this.make();
    for (const { key } of table.columns) entity[key] = undefined;
    const kept = table.columns.slice(0, 1).map((column) =>
      new KeptObject(column, "copy", undefined)
    );
    this.#specimens = [entity, ...kept];
  }

  make(): Entity {
    return new this.#Entity();
  }

  hide(entity: object, column: ColumnInfo): void {
    let accessor = this.#accessors.get(column);
    if (accessor === undefined) {
      accessor = accessorOf(this.#table, column);
      this.#accessors.set(column, accessor);
    }
    Object.defineProperty(entity, column.key, accessor);
  }
}

/** A new one at each call: V8 has a hidden class per constructor. */
function plainConstructor(): new () => Entity {
  // A class cannot have a prototype that is not its own.
  function Entity() {}
  Entity.prototype = Object.prototype;
  return Entity as unknown as new () => Entity;
}

/** One for all entities of a table: it knows which by `this`. */
function accessorOf(
  table: ShapedTable,
  column: ColumnInfo,
): PropertyDescriptor {
  const { key } = column;
  return {
    get() {
      throw notFlushedError(table, key);
    },
    set(this: object, value: unknown) {
      if (column.maker === "generated") throw generatedError(table, key);
      setValue(this, key, value);
    },
    enumerable: true,
    configurable: true,
  };
}

/**
 * Gives an entity a value, in place of an accessor too.
 *
 * @param entity The entity.
 * @param key The property.
 * @param value The value.
 */
export function setValue(entity: object, key: string, value: unknown): void {
  Object.defineProperty(entity, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
