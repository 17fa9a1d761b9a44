import {
  defineEntity,
  type EntityManager,
  MikroORM,
  p,
} from "@mikro-orm/postgresql";
import { type Peer, sell, type Store } from "../peer.ts";

const products = defineEntity({
  name: "Product",
  tableName: "products",
  properties: {
    id: p.integer().primary(),
    name: p.text(),
    price: p.integer(),
    stock: p.integer(),
  },
});

const customers = defineEntity({
  name: "Customer",
  tableName: "customers",
  properties: { id: p.integer().primary(), name: p.text(), email: p.text() },
});

const orders = defineEntity({
  name: "Order",
  tableName: "orders",
  properties: {
    id: p.integer().primary(),
    customer: p.text(),
    total: p.integer(),
  },
});

const orderLines = defineEntity({
  name: "OrderLine",
  tableName: "order_lines",
  properties: {
    id: p.integer().primary(),
    order: () => p.manyToOne(orders).name("order_id"),
    sku: p.text(),
    quantity: p.integer(),
    price: p.integer(),
  },
});

const readings = defineEntity({
  name: "Reading",
  tableName: "readings",
  properties: {
    id: p.integer().primary(),
    sensor: p.text(),
    value: p.integer(),
    unit: p.text(),
    takenAt: p.datetime().columnType("timestamptz").name("taken_at"),
  },
});

const notes = defineEntity({
  name: "Note",
  tableName: "notes",
  properties: {
    id: p.integer().primary(),
    key: p.text().unique(),
    body: p.text(),
  },
});

/** MikroORM, an entity manager per request. */
export const mikroorm: Peer = {
  async prepare(clientUrl, mode) {
    const orm = await MikroORM.init({
      clientUrl,
      entities: [products, customers, orders, orderLines, readings, notes],
    });
    if (mode === "warm") {
      return () =>
        Promise.resolve(store(orm.em.fork(), () => Promise.resolve()));
    }
    // What it has discovered stays; its connections do not.
    await orm.close();
    return async () => {
      await orm.reconnect();
      return store(orm.em.fork(), () => orm.close());
    };
  },
};

function store(em: EntityManager, close: () => Promise<void>): Store {
  return {
    readByKey: async (id) => await em.findOne(products, id) ?? undefined,

    async readThree(keys) {
      const [product, customer, lines] = await Promise.all([
        em.findOne(products, keys.product),
        em.findOne(customers, keys.customer),
        em.find(orderLines, { order: keys.order }),
      ]);
      return {
        product: product ?? undefined,
        customer: customer ?? undefined,
        lines,
      };
    },

    sellOne: (id) =>
      em.transactional(async (tx) => {
        const product = await tx.findOneOrFail(products, id);
        product.stock = sell(product);
        return product.stock;
      }),

    async placeOrder({ customer, total, lines }) {
      const order = em.create(orders, { customer, total });
      for (const line of lines) em.create(orderLines, { ...line, order });
      await em.flush();
      return order.id;
    },

    sellTen: (ids) =>
      em.transactional(async (tx) => {
        const found = await tx.find(products, { id: { $in: [...ids] } });
        for (const product of found) product.stock = sell(product);
      }),

    async addReadings(rows) {
      const added = rows.map((row) => em.create(readings, row));
      await em.flush();
      return added.map(({ id }) => id);
    },

    recover: (order, taken, instead) =>
      em.transactional(async (tx) => {
        await tx.insert(orders, order);
        try {
          await tx.transactional((nested) =>
            nested.insert(notes, { ...taken })
          );
        } catch {
          await tx.insert(notes, { ...instead });
        }
      }),

    async addNote(note) {
      await em.transactional((tx) => tx.insert(notes, { ...note }));
    },

    async addNoteAlone(note) {
      await em.insert(notes, { ...note });
    },

    close,
  };
}
