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

const PRODUCTS = "select id, name, price, stock from products where id = ";
const CUSTOMER = "select id, name, email from customers where id = $1";
const LINES =
  "select id, order_id, sku, quantity, price from order_lines where order_id = $1";
const INSERT_LINES = `insert into order_lines (order_id, sku, quantity, price)
  select currval(pg_get_serial_sequence('orders', 'id')), *
  from unnest($1::text[], $2::int[], $3::int[])`;
const UPDATE_STOCKS = `update products set stock = new.stock
  from unnest($1::int[], $2::int[]) new (id, stock) where products.id = new.id`;
const INSERT_READINGS = `insert into readings (sensor, value, unit, taken_at)
  select * from unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[])
  returning id`;
const INSERT_NOTE = "insert into notes (key, body) values ($1, $2)";
const INSERT_ORDER = "insert into orders (customer, total) values ($1, $2)";

/**
 * What somebody who knows PostgreSQL's protocol writes by hand over TCP with
 * `pg` and its option `pipeline`: nothing is awaited that need not be, and one
 * statement writes all rows. The optimum that a library is measured against.
 */
export const pipelinedPg: Peer = pgPeer(store, { pipeline: true });

function store(client: pg.ClientBase, close: () => Promise<void>): Store {
  async function selling(ids: readonly number[]): Promise<number[]> {
    const [, { rows }] = await Promise.all([
      client.query("begin"),
      client.query<Product>(`${PRODUCTS} any($1)`, [ids]),
    ]);
    const stocks = rows.map(sell);
    await Promise.all([
      client.query(UPDATE_STOCKS, [rows.map(({ id }) => id), stocks]),
      client.query("commit"),
    ]);
    return stocks;
  }

  return {
    async readByKey(id) {
      const { rows } = await client.query<Product>(`${PRODUCTS} $1`, [id]);
      return rows[0];
    },

    async readThree(keys) {
      const [products, customers, lines] = await Promise.all([
        client.query<Product>(`${PRODUCTS} $1`, [keys.product]),
        client.query<Customer>(CUSTOMER, [keys.customer]),
        client.query<OrderLine>(LINES, [keys.order]),
      ]);
      return {
        product: products.rows[0],
        customer: customers.rows[0],
        lines: lines.rows,
      };
    },

    async sellOne(id) {
      const [stock] = await selling([id]);
      if (stock === undefined) throw new RangeError("Cannot sell: no product");
      return stock;
    },

    async placeOrder({ customer, total, lines }) {
      const [, { rows: [order] }] = await Promise.all([
        client.query("begin"),
        client.query<{ id: number }>(`${INSERT_ORDER} returning id`, [
          customer,
          total,
        ]),
        client.query(INSERT_LINES, [
          lines.map(({ sku }) => sku),
          lines.map(({ quantity }) => quantity),
          lines.map(({ price }) => price),
        ]),
        client.query("commit"),
      ]);
      if (!order) throw new RangeError("Cannot order: nothing came back");
      return order.id;
    },

    async sellTen(ids) {
      await selling(ids);
    },

    async addReadings(rows) {
      const added = await client.query<{ id: number }>(INSERT_READINGS, [
        rows.map(({ sensor }) => sensor),
        rows.map(({ value }) => value),
        rows.map(({ unit }) => unit),
        rows.map(({ takenAt }) => takenAt),
      ]);
      return added.rows.map(({ id }) => id);
    },

    async recover(order, taken, instead) {
      try {
        await Promise.all([
          client.query("begin"),
          client.query(INSERT_ORDER, [order.customer, order.total]),
          client.query("savepoint s"),
          client.query(INSERT_NOTE, [taken.key, taken.body]),
        ]);
      } catch {
        await Promise.all([
          client.query("rollback to savepoint s"),
          client.query(INSERT_NOTE, [instead.key, instead.body]),
          client.query("commit"),
        ]);
        return;
      }
      await client.query("commit");
    },

    async addNote(note) {
      await Promise.all([
        client.query("begin"),
        client.query(INSERT_NOTE, [note.key, note.body]),
      ]);
      await client.query("commit");
    },

    async addNoteAlone(note) {
      await client.query(INSERT_NOTE, [note.key, note.body]);
    },

    close,
  };
}
