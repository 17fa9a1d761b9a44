// @ts-types="@types/pg"
import type pg from "pg";
import {
  type Customer,
  type OrderLine,
  type Peer,
  type Product,
  sell,
  type Store,
} from "../peer.ts";
import { pgPeer } from "./pg_peer.ts";

const INSERT_LINES = `insert into order_lines (order_id, sku, quantity, price)
  select $1, * from unnest($2::text[], $3::int[], $4::int[])`;
const INSERT_READINGS = `insert into readings (sensor, value, unit, taken_at)
  select * from unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[])
  returning id`;
const INSERT_NOTE = "insert into notes (key, body) values ($1, $2)";
const INSERT_ORDER = "insert into orders (customer, total) values ($1, $2)";

/** `pg`, each statement awaited, as its documentation shows. */
export const rawPg: Peer = pgPeer(store);

function store(client: pg.ClientBase, close: () => Promise<void>): Store {
  async function transaction<T>(work: () => Promise<T>): Promise<T> {
    await client.query("begin");
    try {
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback");
      throw error;
    }
  }

  return {
    async readByKey(id) {
      const { rows } = await client.query<Product>(
        "select id, name, price, stock from products where id = $1",
        [id],
      );
      return rows[0];
    },

    async readThree(keys) {
      const [products, customers, lines] = await Promise.all([
        client.query<Product>(
          "select id, name, price, stock from products where id = $1",
          [keys.product],
        ),
        client.query<Customer>(
          "select id, name, email from customers where id = $1",
          [keys.customer],
        ),
        client.query<OrderLine>(
          "select id, order_id, sku, quantity, price from order_lines where order_id = $1",
          [keys.order],
        ),
      ]);
      return {
        product: products.rows[0],
        customer: customers.rows[0],
        lines: lines.rows,
      };
    },

    sellOne: (id) =>
      transaction(async () => {
        const { rows: [product] } = await client.query<Product>(
          "select id, name, price, stock from products where id = $1",
          [id],
        );
        if (!product) throw new RangeError("Cannot sell: no such product");
        const stock = sell(product);
        await client.query("update products set stock = $2 where id = $1", [
          id,
          stock,
        ]);
        return stock;
      }),

    placeOrder: ({ customer, total, lines }) =>
      transaction(async () => {
        const { rows: [order] } = await client.query<{ id: number }>(
          `${INSERT_ORDER} returning id`,
          [customer, total],
        );
        if (!order) throw new RangeError("Cannot order: nothing came back");
        await client.query(INSERT_LINES, [
          order.id,
          lines.map(({ sku }) => sku),
          lines.map(({ quantity }) => quantity),
          lines.map(({ price }) => price),
        ]);
        return order.id;
      }),

    sellTen: (ids) =>
      transaction(async () => {
        const { rows } = await client.query<Product>(
          "select id, name, price, stock from products where id = any($1)",
          [ids],
        );
        for (const product of rows) {
          await client.query("update products set stock = $2 where id = $1", [
            product.id,
            sell(product),
          ]);
        }
      }),

    addReadings: (rows) =>
      transaction(async () => {
        const added = await client.query<{ id: number }>(INSERT_READINGS, [
          rows.map(({ sensor }) => sensor),
          rows.map(({ value }) => value),
          rows.map(({ unit }) => unit),
          rows.map(({ takenAt }) => takenAt),
        ]);
        return added.rows.map(({ id }) => id);
      }),

    recover: (order, taken, instead) =>
      transaction(async () => {
        await client.query(INSERT_ORDER, [order.customer, order.total]);
        await client.query("savepoint s");
        try {
          await client.query(INSERT_NOTE, [taken.key, taken.body]);
          await client.query("release savepoint s");
        } catch {
          await client.query("rollback to savepoint s");
          await client.query(INSERT_NOTE, [instead.key, instead.body]);
        }
      }),

    async addNote(note) {
      await transaction(() => client.query(INSERT_NOTE, [note.key, note.body]));
    },

    async addNoteAlone(note) {
      await client.query(INSERT_NOTE, [note.key, note.body]);
    },

    close,
  };
}
