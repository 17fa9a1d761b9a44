import { generatedError, notFlushedError } from "./_refusals.ts";
import type { Entity } from "./entry.ts";
import type { ColumnInfo, EntityShape, TableInfo } from "./table_info.ts";

/** What messages and checks need to know of a table. */
type Named = Pick<TableInfo, "name" | "readBack">;

/**
 * The entities of a table: plain objects, whose properties throw until the
 * database has made their values.
 *
 * Each table has a constructor, whose objects are as plain as those of `{}`:
 * `Object.prototype` is their prototype. But V8 gives them a hidden class of
 * their own. With `{}`, tables and sessions would share one, and where two of
 * them have an accessor of the same name, such as `id`, V8 makes each object a
 * dictionary, of five times the size.
 */
export class PlainShape implements EntityShape {
  readonly #Entity: new () => Entity;
  readonly #table: Named;
  readonly #accessors = new Map<ColumnInfo, PropertyDescriptor>();

  /** @param table The table. */
  constructor(table: Named) {
    this.#table = table;
    this.#Entity = plainConstructor();
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
function accessorOf(table: Named, column: ColumnInfo): PropertyDescriptor {
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
