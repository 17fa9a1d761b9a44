import postgres from "postgres";
import {
  type Customer,
  type OrderLine,
  type Peer,
  type Product,
  sell,
  type Store,
} from "../peer.ts";

/** `postgres`, as its documentation shows. */
export const rawPostgres: Peer = {
  prepare(url, mode) {
    if (mode === "warm") {
      const kept = store(postgres(url), () => Promise.resolve());
      return Promise.resolve(() => Promise.resolve(kept));
    }
    return Promise.resolve(() => {
      const sql = postgres(url);
      return Promise.resolve(store(sql, () => sql.end()));
    });
  },
};

function store(sql: postgres.Sql, close: () => Promise<void>): Store {
  return {
    async readByKey(id) {
      const [product] = await sql<
        Product[]
      >`select id, name, price, stock from products where id = ${id}`;
      return product;
    },

    async readThree(keys) {
      const [[product], [customer], lines] = await Promise.all([
        sql<
          Product[]
        >`select id, name, price, stock from products where id = ${keys.product}`,
        sql<
          Customer[]
        >`select id, name, email from customers where id = ${keys.customer}`,
        sql<
          OrderLine[]
        >`select id, order_id, sku, quantity, price from order_lines where order_id = ${keys.order}`,
      ]);
      return { product, customer, lines };
    },

    sellOne: (id) =>
      sql.begin(async (tx) => {
        const [product] = await tx<
          Product[]
        >`select id, name, price, stock from products where id = ${id}`;
        if (!product) throw new RangeError("Cannot sell: no such product");
        const stock = sell(product);
        await tx`update products set stock = ${stock} where id = ${id}`;
        return stock;
      }),

    placeOrder: ({ customer, total, lines }) =>
      sql.begin(async (tx) => {
        const [order] = await tx<
          { id: number }[]
        >`insert into orders ${tx({ customer, total })} returning id`;
        if (!order) throw new RangeError("Cannot order: nothing came back");
        await tx`insert into order_lines ${
          tx(lines.map((line) => ({ ...line, order_id: order.id })))
        }`;
        return order.id;
      }),

    async sellTen(ids) {
      await sql.begin(async (tx) => {
        const found = await tx<
          Product[]
        >`select id, name, price, stock from products where id in ${
          tx([...ids])
        }`;
        for (const product of found) {
          await tx`update products set stock = ${sell(product)}
            where id = ${product.id}`;
        }
      });
    },

    addReadings: (rows) =>
      sql.begin(async (tx) => {
        const values = rows.map(({ takenAt, ...row }) => ({
          ...row,
          taken_at: takenAt,
        }));
        const added = await tx<
          { id: number }[]
        >`insert into readings ${tx(values)} returning id`;
        return added.map(({ id }) => id);
      }),

    async recover(order, taken, instead) {
      await sql.begin(async (tx) => {
        await tx`insert into orders ${tx(order)}`;
        try {
          await tx.savepoint((nested) =>
            nested`insert into notes ${nested({ ...taken })}`
          );
        } catch {
          await tx`insert into notes ${tx({ ...instead })}`;
        }
      });
    },

    async addNote(note) {
      await sql.begin((tx) => tx`insert into notes ${tx({ ...note })}`);
    },

    async addNoteAlone(note) {
      await sql`insert into notes ${sql({ ...note })}`;
    },

    close,
  };
}
