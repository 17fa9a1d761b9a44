import { and, asc, desc, eq, gte, inArray, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { Problem } from "./problem.ts";
import { customers, orderLines, orders, products } from "./schema.ts";
import type { NewOrder, PageQuery } from "./validation.ts";

type NewLine = NewOrder["lines"][number];

/** An order as it is shown. */
export interface Order {
  id: number;
  status: "open" | "cancelled";
  createdAt: Date;
  customer: { id: number; name: string };
  lines: { sku: string; name: string; quantity: number; price: number }[];
  total: number;
}

/** An order in a list. */
export interface OrderSummary {
  id: number;
  status: "open" | "cancelled";
  createdAt: Date;
  customer: string;
  total: number;
}

/**
 * Takes the pieces from stock and writes the order. Whoever calls it commits,
 * or rolls back when it throws.
 */
export async function placeOrder(
  db: Database,
  { customerId, lines }: NewOrder,
): Promise<Order> {
  // Orders lock their products in one and the same order: no deadlocks.
  const sorted = lines.toSorted(bySku);
  const [isCustomer, ...taken] = await Promise.all([
    db.$count(customers, eq(customers.id, customerId)),
    ...sorted.map((line) => takeFromStock(db, line)),
  ]);
  const sold = taken.filter((line) => line !== undefined);
  if (!isCustomer || sold.length < lines.length) {
    const missing = sorted.filter((_, index) => taken[index] === undefined);
    throw await explain(db, { isCustomer: isCustomer > 0, lines, missing });
  }

  // Pending until the flush, which writes order and lines in one flight.
  const order = db.add(orders, {
    customerId,
    lines: sold.map(({ productId, quantity, price }) => (
      { productId, quantity, price }
    )),
  });
  await db.flush();
  return await findOrder(db, order.id);
}

/** Closes an open order and gives its pieces back to the stock. */
export async function cancelOrder(db: Database, id: number): Promise<Order> {
  const cancelled = await db.update(orders).set({ status: "cancelled" })
    .where(and(eq(orders.id, id), eq(orders.status, "open")))
    .returning({ id: orders.id });
  const order = await findOrder(db, id);
  if (cancelled.length === 0) {
    throw new Problem(409, "Cannot cancel the order", {
      id: "is an order that was cancelled before",
    });
  }
  await Promise.all(
    order.lines.toSorted(bySku).map(({ sku, quantity }) =>
      db.update(products)
        .set({ stock: sql`${products.stock} + ${quantity}` })
        .where(eq(products.sku, sku))
    ),
  );
  return order;
}

/** An order with its customer and lines; a `Problem` if there is none. */
export async function findOrder(db: Database, id: number): Promise<Order> {
  const order = await db.query.orders.findFirst({
    columns: { id: true, status: true, createdAt: true },
    where: eq(orders.id, id),
    with: {
      customer: { columns: { id: true, name: true } },
      lines: {
        columns: { quantity: true, price: true },
        with: { product: { columns: { sku: true, name: true } } },
        orderBy: asc(orderLines.productId),
      },
    },
  });
  if (order === undefined) {
    throw new Problem(404, "Not found", { id: "is no known order" });
  }
  const lines = order.lines.map(({ product, quantity, price }) => (
    { ...product, quantity, price }
  ));
  const total = lines.reduce(
    (sum, line) => sum + line.price * line.quantity,
    0,
  );
  return { ...order, lines, total };
}

/** A part of all orders, the newest first. */
export async function listOrders(
  db: Database,
  { limit, offset }: PageQuery,
): Promise<OrderSummary[]> {
  const total = sql`sum(${orderLines.price}::bigint * ${orderLines.quantity})`;
  return await db.select({
    id: orders.id,
    status: orders.status,
    createdAt: orders.createdAt,
    customer: customers.name,
    total: total.mapWith(Number),
  })
    .from(orders)
    .innerJoin(customers, eq(customers.id, orders.customerId))
    .innerJoin(orderLines, eq(orderLines.orderId, orders.id))
    .groupBy(orders.id, customers.id)
    .orderBy(desc(orders.id))
    .limit(limit)
    .offset(offset);
}

/** Takes the pieces of a line if there are enough, and tells their price. */
async function takeFromStock(db: Database, { sku, quantity }: NewLine) {
  const [product] = await db.update(products)
    .set({ stock: sql`${products.stock} - ${quantity}` })
    .where(and(eq(products.sku, sku), gte(products.stock, quantity)))
    .returning({ productId: products.id, price: products.price });
  return product && { ...product, quantity };
}

/** Finds out which fields kept an order from being placed. */
async function explain(
  db: Database,
  { isCustomer, lines, missing }: {
    isCustomer: boolean;
    lines: readonly NewLine[];
    missing: readonly NewLine[];
  },
): Promise<Problem> {
  const known = await db.select({ sku: products.sku, stock: products.stock })
    .from(products)
    .where(inArray(products.sku, missing.map(({ sku }) => sku)));
  const stock = new Map(known.map((product) => [product.sku, product.stock]));

  const unknown: Record<string, string> = {};
  const short: Record<string, string> = {};
  if (!isCustomer) unknown.customerId = "is no known customer";
  for (const line of missing) {
    const field = `lines.${lines.indexOf(line)}`;
    const left = stock.get(line.sku);
    if (left === undefined) unknown[`${field}.sku`] = "is no known product";
    else short[`${field}.quantity`] = `is more than the ${left} in stock`;
  }
  const fields = { ...unknown, ...short };
  return Object.keys(unknown).length > 0
    ? new Problem(422, "Invalid input", fields)
    : new Problem(409, "Not enough in stock", fields);
}

function bySku(a: { sku: string }, b: { sku: string }): number {
  return a.sku < b.sku ? -1 : 1;
}
