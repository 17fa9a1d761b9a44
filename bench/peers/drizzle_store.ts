import { eq, inArray } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import { sell, type Store } from "../peer.ts";
import {
  customers,
  notes,
  orderLines,
  orders,
  products,
  readings,
} from "../schema.ts";

/**
 * What Drizzle's documentation shows, on any driver that has transactions.
 *
 * @param db On a driver of the caller's.
 * @param close The request is over.
 */
export function drizzleStore<Result extends PgQueryResultHKT>(
  db: PgDatabase<Result>,
  close: () => Promise<void>,
): Store {
  return {
    async readByKey(id) {
      const [product] = await db.select().from(products)
        .where(eq(products.id, id));
      return product;
    },

    async readThree(keys) {
      const [[product], [customer], lines] = await Promise.all([
        db.select().from(products).where(eq(products.id, keys.product)),
        db.select().from(customers).where(eq(customers.id, keys.customer)),
        db.select().from(orderLines).where(eq(orderLines.orderId, keys.order)),
      ]);
      return { product, customer, lines };
    },

    sellOne: (id) =>
      db.transaction(async (tx) => {
        const [product] = await tx.select().from(products)
          .where(eq(products.id, id));
        if (!product) throw new RangeError("Cannot sell: no such product");
        const stock = sell(product);
        await tx.update(products).set({ stock }).where(eq(products.id, id));
        return stock;
      }),

    placeOrder: ({ customer, total, lines }) =>
      db.transaction(async (tx) => {
        const [order] = await tx.insert(orders).values({ customer, total })
          .returning({ id: orders.id });
        if (!order) throw new RangeError("Cannot order: nothing came back");
        await tx.insert(orderLines)
          .values(lines.map((line) => ({ ...line, orderId: order.id })));
        return order.id;
      }),

    sellTen: (ids) =>
      db.transaction(async (tx) => {
        const found = await tx.select().from(products)
          .where(inArray(products.id, [...ids]));
        for (const product of found) {
          await tx.update(products).set({ stock: sell(product) })
            .where(eq(products.id, product.id));
        }
      }),

    addReadings: (rows) =>
      db.transaction(async (tx) => {
        const added = await tx.insert(readings).values([...rows])
          .returning({ id: readings.id });
        return added.map(({ id }) => id);
      }),

    recover: (order, taken, instead) =>
      db.transaction(async (tx) => {
        await tx.insert(orders).values(order);
        try {
          await tx.transaction((nested) => nested.insert(notes).values(taken));
        } catch {
          await tx.insert(notes).values(instead);
        }
      }),

    async addNote(note) {
      await db.transaction((tx) => tx.insert(notes).values(note));
    },

    async addNoteAlone(note) {
      await db.insert(notes).values(note);
    },

    close,
  };
}
