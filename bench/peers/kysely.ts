import { type Generated, Kysely, PostgresDialect } from "kysely";
// @ts-types="@types/pg"
import pg from "pg";
import { type Peer, sell, type Store } from "../peer.ts";

interface Tables {
  readonly products: {
    id: Generated<number>;
    name: string;
    price: number;
    stock: number;
  };
  readonly customers: { id: Generated<number>; name: string; email: string };
  readonly orders: { id: Generated<number>; customer: string; total: number };
  readonly order_lines: {
    id: Generated<number>;
    order_id: number;
    sku: string;
    quantity: number;
    price: number;
  };
  readonly readings: {
    id: Generated<number>;
    sensor: string;
    value: number;
    unit: string;
    taken_at: Date;
  };
  readonly notes: { id: Generated<number>; key: string; body: string };
}

/** Kysely on `pg`. */
export const kysely: Peer = {
  prepare(connectionString, mode) {
    function connect(): Kysely<Tables> {
      const pool = new pg.Pool({ connectionString });
      return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
    }
    if (mode === "warm") {
      const kept = store(connect(), () => Promise.resolve());
      return Promise.resolve(() => Promise.resolve(kept));
    }
    return Promise.resolve(() => {
      const db = connect();
      return Promise.resolve(store(db, () => db.destroy()));
    });
  },
};

function store(db: Kysely<Tables>, close: () => Promise<void>): Store {
  return {
    readByKey: (id) =>
      db.selectFrom("products").selectAll().where("id", "=", id)
        .executeTakeFirst(),

    async readThree(keys) {
      const [product, customer, lines] = await Promise.all([
        db.selectFrom("products").selectAll()
          .where("id", "=", keys.product).executeTakeFirst(),
        db.selectFrom("customers").selectAll()
          .where("id", "=", keys.customer).executeTakeFirst(),
        db.selectFrom("order_lines").selectAll()
          .where("order_id", "=", keys.order).execute(),
      ]);
      return { product, customer, lines };
    },

    sellOne: (id) =>
      db.transaction().execute(async (tx) => {
        const product = await tx.selectFrom("products").selectAll()
          .where("id", "=", id).executeTakeFirstOrThrow();
        const stock = sell(product);
        await tx.updateTable("products").set({ stock }).where("id", "=", id)
          .execute();
        return stock;
      }),

    placeOrder: ({ customer, total, lines }) =>
      db.transaction().execute(async (tx) => {
        const { id } = await tx.insertInto("orders")
          .values({ customer, total }).returning("id")
          .executeTakeFirstOrThrow();
        await tx.insertInto("order_lines")
          .values(lines.map((line) => ({ ...line, order_id: id }))).execute();
        return id;
      }),

    sellTen: (ids) =>
      db.transaction().execute(async (tx) => {
        const found = await tx.selectFrom("products").selectAll()
          .where("id", "in", ids).execute();
        for (const product of found) {
          await tx.updateTable("products").set({ stock: sell(product) })
            .where("id", "=", product.id).execute();
        }
      }),

    addReadings: (rows) =>
      db.transaction().execute(async (tx) => {
        const added = await tx.insertInto("readings")
          .values(
            rows.map(({ takenAt, ...row }) => ({ ...row, taken_at: takenAt })),
          )
          .returning("id").execute();
        return added.map(({ id }) => id);
      }),

    async recover(order, taken, instead) {
      const tx = await db.startTransaction().execute();
      await tx.insertInto("orders").values(order).execute();
      const saved = await tx.savepoint("note").execute();
      try {
        await saved.insertInto("notes").values(taken).execute();
        await saved.releaseSavepoint("note").execute();
      } catch {
        await saved.rollbackToSavepoint("note").execute();
        await tx.insertInto("notes").values(instead).execute();
      }
      await tx.commit().execute();
    },

    async addNote(note) {
      await db.transaction().execute((tx) =>
        tx.insertInto("notes").values(note).execute()
      );
    },

    async addNoteAlone(note) {
      await db.insertInto("notes").values(note).execute();
    },

    close,
  };
}
