import { checkEntity } from "./_refusals.ts";

/**
 * Stands for a value of an entity that the database has yet to make;
 * `ref(entity)` makes it.
 *
 * @example What it stands for
 * ```ts
 * import { ref } from "@nullpool/db";
 * import { assertEquals } from "@std/assert";
 *
 * const order = { id: 1 };
 * assertEquals(ref(order).id.key, "id");
 * ```
 *
 * @typeParam T The value's type.
 */
export class Ref<T> {
  /** The entity. */
  readonly entity: object;
  /** Its property. */
  readonly key: string;
  /** Tells TypeScript the type; there is no such property. */
  declare readonly valueType: T;

  /**
   * Makes a reference; `ref(entity)` does.
   *
   * @param entity An entity of the session.
   * @param key Its property.
   */
  constructor(entity: object, key: string) {
    this.entity = entity;
    this.key = key;
  }
}

/**
 * References to the columns of an entity.
 *
 * @typeParam Entity The entity's type.
 */
export type Refs<Entity> = {
  readonly [Key in keyof Entity]-?: Ref<Entity[Key]>;
};

/**
 * Stands for the columns of an entity in other `add`s: a child can be given the
 * key of its parent before the database has made it.
 *
 * @example An order and its line, in one flight
 * ```ts
 * import { createEngine, ref, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
 * import { assertEquals } from "@std/assert";
 *
 * const orders = pgTable("orders", { id: serial().primaryKey() });
 * const lines = pgTable("lines", {
 *   id: serial().primaryKey(),
 *   orderId: integer().notNull().references(() => orders.id),
 *   sku: text().notNull(),
 * });
 * await using engine = createEngine(pglite());
 * await using db = sessionmaker(engine)();
 * await db.execute("create table orders (id serial primary key)");
 * await db.execute(`create table lines (id serial primary key,
 *   "orderId" int not null references orders, sku text not null)`);
 * const order = db.add(orders, {});
 * const line = db.add(lines, { orderId: ref(order).id, sku: "tea" });
 * await db.commit();
 * assertEquals(line.orderId, order.id);
 * ```
 *
 * @typeParam Entity The entity's type.
 * @param entity What `add`, `get` or `find` returned.
 * @returns A reference per column.
 * @throws {TypeError} When it is no object.
 */
export function ref<Entity extends object>(entity: Entity): Refs<Entity> {
  checkEntity(entity, "make a reference");
  const target: Partial<Refs<Entity>> = {};
  // A column is named by reading it.
  return new Proxy(target, {
    get: (_, key) => new Ref(entity, String(key)),
  }) as Refs<Entity>;
}
