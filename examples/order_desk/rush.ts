import { mapTasks, type Sessionmaker } from "@nullpool/db";
import { sql } from "drizzle-orm";
import { placeOrder } from "./orders.ts";
import { Problem } from "./problem.ts";
import type * as schema from "./schema.ts";
import { customers, products } from "./schema.ts";

/** How a rush went. */
export interface Rush {
  placed: number;
  /** Orders for more than there was. */
  refused: number;
}

/** How a rush runs. */
export interface RushOptions {
  /** Told after each order: how much is done, from 0 to 1. */
  readonly onProgress?: (fraction: number, rush: Rush) => void;
  /** Ends it; what is committed stays. */
  readonly signal?: AbortSignal;
}

/** Pieces of each product that come in before. */
const DELIVERY = 25;

/**
 * Has many orders placed at once, as on the day before a holiday: each is a task
 * with a session of its own, and as many run as the engine has connections.
 */
export async function rush(
  Session: Sessionmaker<typeof schema>,
  count: number,
  { onProgress, signal }: RushOptions = {},
): Promise<Rush> {
  const [people, goods] = await Session.begin(async (db) => {
    await db.update(products).set({ stock: sql`stock + ${DELIVERY}` });
    return await Promise.all([
      db.select({ id: customers.id }).from(customers),
      db.select({ sku: products.sku }).from(products),
    ]);
  });
  const result: Rush = { placed: 0, refused: 0 };
  const numbers = Array.from({ length: count }, (_, index) => index);
  await mapTasks(Session, numbers, async (db, n) => {
    const customerId = people[n % people.length]?.id ?? 0;
    const lines = [0, 1 + n % (goods.length - 1)].map((offset) => ({
      sku: goods[(n + offset) % goods.length]?.sku ?? "",
      quantity: 1 + n % 3,
    }));
    try {
      await placeOrder(db, { customerId, lines });
      db.afterCommit(() => result.placed++);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      result.refused++;
      await db.rollback();
    }
  }, {
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: ({ done }) => onProgress(done / count, result),
    }),
  });
  return result;
}
