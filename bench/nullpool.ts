import { eq } from "drizzle-orm";
import {
  createEngine,
  type Driver,
  type Engine,
  mapTable,
  QueuePool,
  ref,
  type Session,
  sessionmaker,
} from "../mod.ts";
import { type Mode, type Peer, sell, type Store } from "./peer.ts";
import {
  customers,
  notes,
  orderLines,
  orders,
  products,
  readings,
} from "./schema.ts";

const schema = { products, customers, orders, orderLines, readings, notes };

/**
 * This library as a peer, as its README advises.
 *
 * @param driver Makes the driver.
 */
export function nullpool(driver: (url: string) => Driver): Peer {
  return {
    prepare(url, mode) {
      const Sessions = sessionmaker(engine(driver(url), mode), {
        schema,
        tables: [
          // A second seller who was faster is an error, not a lost sale.
          mapTable(products, { version: "xmin" }),
          // The keys: what the other peers ask back.
          mapTable(readings, { readBack: "generated" }),
        ],
      });
      return Promise.resolve(() => Promise.resolve(store(Sessions())));
    },
  };
}

function engine(driver: Driver, mode: Mode): Engine {
  return mode === "cold" ? createEngine(driver) : createEngine(driver, {
    pool: (driver) => new QueuePool(driver, { poolSize: 10 }),
  });
}

function store(db: Session<typeof schema>): Store {
  return {
    readByKey: (id) => db.get(products, id),

    async readThree(keys) {
      const [product, customer, lines] = await Promise.all([
        db.get(products, keys.product),
        db.get(customers, keys.customer),
        db.find(orderLines, eq(orderLines.orderId, keys.order)),
      ]);
      return { product, customer, lines };
    },

    async sellOne(id) {
      const product = await db.get(products, id);
      if (!product) throw new RangeError("Cannot sell: no such product");
      product.stock = sell(product);
      await db.commit();
      return product.stock;
    },

    async placeOrder({ customer, total, lines }) {
      const order = db.add(orders, { customer, total });
      for (const line of lines) {
        db.add(orderLines, { ...line, orderId: ref(order).id });
      }
      await db.commit();
      return order.id;
    },

    async sellTen(ids) {
      const found = await Promise.all(ids.map((id) => db.get(products, id)));
      for (const product of found) {
        if (product) product.stock = sell(product);
      }
      await db.commit();
    },

    async addReadings(rows) {
      const added = db.addAll(readings, rows);
      await db.commit();
      return added.map(({ id }) => id);
    },

    async recover(order, taken, instead) {
      db.add(orders, order);
      await db.beginNested((tx) => tx.insert(notes).values(taken))
        .catch(() => db.add(notes, instead));
      await db.commit();
    },

    async addNote(note) {
      await db.insert(notes).values(note);
      await db.commit();
    },

    async addNoteAlone(note) {
      db.enqueue(db.insert(notes).values(note));
      await db.commit();
    },

    close: () => db.close(),
  };
}
