// @ts-types="@types/pg"
import pg from "pg";
import { DataSource, EntitySchema, In } from "typeorm";
import {
  type Customer,
  type NewNote,
  type NewReading,
  type OrderLine,
  type Peer,
  type Product,
  sell,
  type Store,
} from "../peer.ts";

const id = {
  type: "integer",
  primary: true,
  generated: "increment",
} as const;
const integer = { type: "integer" } as const;
const text = { type: "text" } as const;

const products = new EntitySchema<Product>({
  name: "Product",
  tableName: "products",
  columns: { id, name: text, price: integer, stock: integer },
});

const customers = new EntitySchema<Customer>({
  name: "Customer",
  tableName: "customers",
  columns: { id, name: text, email: text },
});

interface Order {
  id: number;
  customer: string;
  total: number;
  lines: Line[];
}

interface Line extends OrderLine {
  id: number;
  orderId: number;
  order: Order;
}

const orders = new EntitySchema<Order>({
  name: "Order",
  tableName: "orders",
  columns: { id, customer: text, total: integer },
  relations: {
    lines: {
      type: "one-to-many",
      target: "Line",
      inverseSide: "order",
      cascade: true,
    },
  },
});

const orderLines = new EntitySchema<Line>({
  name: "Line",
  tableName: "order_lines",
  columns: {
    id,
    orderId: { name: "order_id", type: "integer" },
    sku: text,
    quantity: integer,
    price: integer,
  },
  relations: {
    order: {
      type: "many-to-one",
      target: "Order",
      inverseSide: "lines",
      joinColumn: { name: "order_id" },
    },
  },
});

const readings = new EntitySchema<NewReading & { id: number }>({
  name: "Reading",
  tableName: "readings",
  columns: {
    id,
    sensor: text,
    value: integer,
    unit: text,
    takenAt: { name: "taken_at", type: "timestamptz" },
  },
});

const notes = new EntitySchema<NewNote & { id: number }>({
  name: "Note",
  tableName: "notes",
  columns: { id, key: { type: "text", unique: true }, body: text },
});

/** TypeORM on `pg`. */
export const typeorm: Peer = {
  async prepare(url, mode) {
    const source = new DataSource({
      type: "postgres",
      driver: pg,
      url,
      entities: [products, customers, orders, orderLines, readings, notes],
    });
    if (mode === "warm") {
      await source.initialize();
      const kept = store(source, () => Promise.resolve());
      return () => Promise.resolve(kept);
    }
    return async () => {
      await source.initialize();
      return store(source, () => source.destroy());
    };
  },
};

function store(source: DataSource, close: () => Promise<void>): Store {
  return {
    async readByKey(id) {
      return await source.getRepository(products).findOneBy({ id }) ??
        undefined;
    },

    async readThree(keys) {
      const [product, customer, lines] = await Promise.all([
        source.getRepository(products).findOneBy({ id: keys.product }),
        source.getRepository(customers).findOneBy({ id: keys.customer }),
        source.getRepository(orderLines).findBy({ orderId: keys.order }),
      ]);
      return {
        product: product ?? undefined,
        customer: customer ?? undefined,
        lines,
      };
    },

    sellOne: (id) =>
      source.transaction(async (tx) => {
        const product = await tx.findOneByOrFail(products, { id });
        const stock = sell(product);
        await tx.update(products, { id }, { stock });
        return stock;
      }),

    async placeOrder({ customer, total, lines }) {
      const repository = source.getRepository(orders);
      const order = repository.create({
        customer,
        total,
        lines: lines.map((line) => ({ ...line })),
      });
      const { id } = await repository.save(order);
      return id;
    },

    sellTen: (ids) =>
      source.transaction(async (tx) => {
        const found = await tx.findBy(products, { id: In(ids) });
        const changed = found.map((product) => ({
          ...product,
          stock: sell(product),
        }));
        // `save` would read all of them once more.
        for (const { id, stock } of changed) {
          await tx.update(products, { id }, { stock });
        }
      }),

    addReadings: (rows) =>
      source.transaction(async (tx) => {
        const { identifiers } = await tx.insert(readings, [...rows]);
        return identifiers.map(({ id }) => Number(id));
      }),

    recover: (order, taken, instead) =>
      source.transaction(async (tx) => {
        await tx.insert(orders, order);
        try {
          await tx.transaction((nested) => nested.insert(notes, { ...taken }));
        } catch {
          await tx.insert(notes, { ...instead });
        }
      }),

    async addNote(note) {
      await source.transaction((tx) => tx.insert(notes, { ...note }));
    },

    async addNoteAlone(note) {
      await source.getRepository(notes).insert({ ...note });
    },

    close,
  };
}
