import { neon } from "@neondatabase/serverless";
import { and, eq, inArray, sql } from "drizzle-orm";
import { drizzle, type NeonHttpDatabase } from "drizzle-orm/neon-http";
import { type Peer, sell, type Store } from "../peer.ts";
import { useLocalEndpoint } from "./neon_settings.ts";
import {
  customers,
  notes,
  orderLines,
  orders,
  products,
  readings,
} from "../schema.ts";

/**
 * Drizzle on Neon's HTTP driver. It has no transactions: what stands here for
 * W3 to W6 is written by hand with `batch()`, and its `db.transaction()` would
 * throw. A guard in the `where` stands for what a transaction would do; where
 * it tells of a lost race, the other rows of the batch are written all the same.
 */
export const drizzleNeonHttp: Peer = {
  prepare(url) {
    useLocalEndpoint(url);
    const db = drizzle(neon(url));
    return Promise.resolve(() => Promise.resolve(store(db)));
  },
};

const NO_TRANSACTION = "No transaction stays open over HTTP";

/** What Neon's endpoint takes at once. */
const MOST_PARAMETERS = 32_767;

function store(db: NeonHttpDatabase): Store {
  async function selling(ids: readonly number[]): Promise<number[]> {
    const found = await db.select().from(products)
      .where(inArray(products.id, [...ids]));
    const changes = found.map((product) => {
      const stock = sell(product);
      const update = db.update(products).set({ stock })
        .where(
          and(eq(products.id, product.id), eq(products.stock, product.stock)),
        );
      return { stock, update };
    });
    const [first, ...others] = changes.map(({ update }) => update);
    if (!first) throw new RangeError("Cannot sell: no such product");
    const results = await db.batch([first, ...others]);
    if (results.some(({ rowCount }) => rowCount !== 1)) {
      throw new RangeError("Cannot sell: somebody else was faster");
    }
    return changes.map(({ stock }) => stock);
  }

  return {
    async readByKey(id) {
      const [product] = await db.select().from(products)
        .where(eq(products.id, id));
      return product;
    },

    async readThree(keys) {
      const [[product], [customer], lines] = await db.batch([
        db.select().from(products).where(eq(products.id, keys.product)),
        db.select().from(customers).where(eq(customers.id, keys.customer)),
        db.select().from(orderLines).where(eq(orderLines.orderId, keys.order)),
      ]);
      return { product, customer, lines };
    },

    async sellOne(id) {
      const [stock] = await selling([id]);
      if (stock === undefined) throw new RangeError("Cannot sell: no product");
      return stock;
    },

    async placeOrder({ customer, total, lines }) {
      const orderId = sql`currval(pg_get_serial_sequence('orders', 'id'))`;
      const [[order]] = await db.batch([
        db.insert(orders).values({ customer, total })
          .returning({ id: orders.id }),
        db.insert(orderLines)
          .values(lines.map((line) => ({ ...line, orderId }))),
      ]);
      if (!order) throw new RangeError("Cannot order: nothing came back");
      return order.id;
    },

    async sellTen(ids) {
      await selling(ids);
    },

    async addReadings(rows) {
      const size = Math.floor(MOST_PARAMETERS / 4);
      const pages = Array.from(
        { length: Math.ceil(rows.length / size) },
        (_, page) =>
          db.insert(readings)
            .values(rows.slice(page * size, (page + 1) * size))
            .returning({ id: readings.id }),
      );
      const [first, ...others] = pages;
      if (!first) return [];
      const added = await db.batch([first, ...others]);
      return added.flat().map(({ id }) => id);
    },

    recover: () => Promise.reject(new TypeError(NO_TRANSACTION)),
    addNote: () => Promise.reject(new TypeError(NO_TRANSACTION)),

    async addNoteAlone(note) {
      await db.insert(notes).values(note);
    },

    close: () => Promise.resolve(),
  };
}
