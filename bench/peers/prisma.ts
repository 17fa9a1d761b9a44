import { PrismaNeon } from "@prisma/adapter-neon";
import { PrismaPg } from "@prisma/adapter-pg";
import { type Peer, sell, type Store } from "../peer.ts";
import { PrismaClient } from "./dist/prisma/client.ts";
import { useLocalEndpoint } from "./neon_settings.ts";

type Adapter = PrismaPg | PrismaNeon;

/** Prisma on `pg`. */
export const prismaPg: Peer = peer(
  (connectionString) => new PrismaPg({ connectionString }),
);

/** Prisma on Neon's WebSocket driver. */
export const prismaNeon: Peer = peer((connectionString) => {
  useLocalEndpoint(connectionString);
  return new PrismaNeon({ connectionString });
});

/**
 * One client for all requests, which `$disconnect` leaves without connections:
 * a client for each would cost another 10 ms of CPU.
 */
function peer(adapter: (url: string) => Adapter): Peer {
  return {
    prepare(url, mode) {
      const db = new PrismaClient({ adapter: adapter(url) });
      return Promise.resolve(() =>
        Promise.resolve(
          store(
            db,
            mode === "cold" ? () => db.$disconnect() : () => Promise.resolve(),
          ),
        )
      );
    },
  };
}

function store(db: PrismaClient, close: () => Promise<void>): Store {
  return {
    readByKey: async (id) =>
      await db.product.findUnique({ where: { id } }) ?? undefined,

    async readThree(keys) {
      const [product, customer, lines] = await Promise.all([
        db.product.findUnique({ where: { id: keys.product } }),
        db.customer.findUnique({ where: { id: keys.customer } }),
        db.orderLine.findMany({ where: { orderId: keys.order } }),
      ]);
      return {
        product: product ?? undefined,
        customer: customer ?? undefined,
        lines,
      };
    },

    sellOne: (id) =>
      db.$transaction(async (tx) => {
        const product = await tx.product.findUniqueOrThrow({ where: { id } });
        const stock = sell(product);
        // Without a `select` Prisma would read the row back.
        await tx.product.updateMany({ where: { id }, data: { stock } });
        return stock;
      }),

    async placeOrder({ customer, total, lines }) {
      const { id } = await db.order.create({
        data: { customer, total, lines: { create: [...lines] } },
        select: { id: true },
      });
      return id;
    },

    sellTen: (ids) =>
      db.$transaction(async (tx) => {
        const found = await tx.product.findMany({
          where: { id: { in: [...ids] } },
        });
        for (const product of found) {
          await tx.product.updateMany({
            where: { id: product.id },
            data: { stock: sell(product) },
          });
        }
      }),

    async addReadings(rows) {
      const added = await db.reading.createManyAndReturn({
        data: [...rows],
        select: { id: true },
      });
      return added.map(({ id }) => id);
    },

    // Nested transactions are savepoints; the client's types lack them.
    recover: (order, taken, instead) =>
      db.$transaction(async (tx) => {
        await tx.order.createMany({ data: [order] });
        await tx.$executeRaw`savepoint note`;
        try {
          await tx.note.createMany({ data: [taken] });
        } catch {
          await tx.$executeRaw`rollback to savepoint note`;
          await tx.note.createMany({ data: [instead] });
        }
      }),

    async addNote(note) {
      await db.$transaction((tx) => tx.note.createMany({ data: [note] }));
    },

    async addNoteAlone(note) {
      await db.note.createMany({ data: [note] });
    },

    close,
  };
}
