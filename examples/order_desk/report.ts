import { mapTasks, type Sessionmaker } from "@nullpool/db";
import { and, eq, gte, lt, sql } from "drizzle-orm";
import type * as schema from "./schema.ts";
import { orderLines, orders } from "./schema.ts";

/** What was sold on a day (UTC). */
export interface DailySales {
  day: string;
  orders: number;
  pieces: number;
  revenue: number;
}

const DAY = 24 * 60 * 60 * 1000;

/** Adds up the last days, the newest first; each day has its own session. */
export function salesReport(
  Session: Sessionmaker<typeof schema>,
  days: number,
): Promise<DailySales[]> {
  const today = Math.floor(Date.now() / DAY) * DAY;
  const starts = Array.from({ length: days }, (_, n) => today - n * DAY);

  return mapTasks(Session, starts, async (db, start) => {
    const { quantity, price } = orderLines;
    const [sales] = await db.select({
      orders: sql`count(distinct ${orders.id})`.mapWith(Number),
      pieces: sql`coalesce(sum(${quantity}), 0)`.mapWith(Number),
      revenue: sql`coalesce(sum(${price}::bigint * ${quantity}), 0)`
        .mapWith(Number),
    })
      .from(orders)
      .innerJoin(orderLines, eq(orderLines.orderId, orders.id))
      .where(and(
        eq(orders.status, "open"),
        gte(orders.createdAt, new Date(start)),
        lt(orders.createdAt, new Date(start + DAY)),
      ));
    const day = new Date(start).toISOString().slice(0, 10);
    return { day, orders: 0, pieces: 0, revenue: 0, ...sales };
  });
}
