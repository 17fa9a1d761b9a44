import { neon, type NeonQueryFunction } from "@neondatabase/serverless";
import {
  type Customer,
  type OrderLine,
  type Peer,
  type Product,
  sell,
  type Store,
} from "../peer.ts";
import { useLocalEndpoint } from "./neon_settings.ts";

/**
 * Neon's HTTP driver by hand, every statement a single one for all rows: the
 * optimum over HTTP. No transaction stays open, so that a guard in the `where`
 * stands for one.
 */
export const rawNeon: Peer = {
  prepare(url) {
    useLocalEndpoint(url);
    const sql = neon(url);
    return Promise.resolve(() => Promise.resolve(store(sql)));
  },
};

type Sql = NeonQueryFunction<false, false>;

const NO_TRANSACTION = "No transaction stays open over HTTP";

function store(sql: Sql): Store {
  /** All or none: a count that is short is a division by zero. */
  async function selling(ids: readonly number[]): Promise<number[]> {
    const found = await sql`select id, name, price, stock from products
      where id = any(${ids})` as Product[];
    const stocks = found.map(sell);
    await sql`with changed as (
        update products set stock = new.stock
        from unnest(${found.map(({ id }) => id)}::int[],
          ${found.map(({ stock }) => stock)}::int[], ${stocks}::int[])
          new (id, old_stock, stock)
        where products.id = new.id and products.stock = new.old_stock
        returning 1)
      select 1 / (count(*) = ${found.length})::int from changed`;
    return stocks;
  }

  return {
    async readByKey(id) {
      const [product] = await sql`select id, name, price, stock from products
        where id = ${id}` as Product[];
      return product;
    },

    async readThree(keys) {
      const [[product], [customer], lines] = await sql.transaction([
        sql`select id, name, price, stock from products
          where id = ${keys.product}`,
        sql`select id, name, email from customers where id = ${keys.customer}`,
        sql`select id, order_id, sku, quantity, price from order_lines
          where order_id = ${keys.order}`,
      ]) as [Product[], Customer[], OrderLine[]];
      return { product, customer, lines };
    },

    async sellOne(id) {
      const [stock] = await selling([id]);
      if (stock === undefined) throw new RangeError("Cannot sell: no product");
      return stock;
    },

    async placeOrder({ customer, total, lines }) {
      const [[order]] = await sql.transaction([
        sql`insert into orders (customer, total) values (${customer}, ${total})
          returning id`,
        sql`insert into order_lines (order_id, sku, quantity, price)
          select currval(pg_get_serial_sequence('orders', 'id')), *
          from unnest(${lines.map(({ sku }) => sku)}::text[],
            ${lines.map(({ quantity }) => quantity)}::int[],
            ${lines.map(({ price }) => price)}::int[])`,
      ]) as [{ id: number }[]];
      if (!order) throw new RangeError("Cannot order: nothing came back");
      return order.id;
    },

    async sellTen(ids) {
      await selling(ids);
    },

    async addReadings(rows) {
      const added = await sql`
        insert into readings (sensor, value, unit, taken_at)
        select * from unnest(${rows.map(({ sensor }) => sensor)}::text[],
          ${rows.map(({ value }) => value)}::int[],
          ${rows.map(({ unit }) => unit)}::text[],
          ${rows.map(({ takenAt }) => takenAt)}::timestamptz[])
        returning id` as { id: number }[];
      return added.map(({ id }) => id);
    },

    recover: () => Promise.reject(new TypeError(NO_TRANSACTION)),
    addNote: () => Promise.reject(new TypeError(NO_TRANSACTION)),

    async addNoteAlone(note) {
      await sql`insert into notes (key, body) values (${note.key}, ${note.body})`;
    },

    close: () => Promise.resolve(),
  };
}
