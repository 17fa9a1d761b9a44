import { relations, sql } from "drizzle-orm";
import {
  check,
  index,
  integer,
  pgPolicy,
  pgRole,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** Under whom a customer's own requests run; the first migration makes it. */
export const customerRole = pgRole("order_desk_customer").existing();

/** The customer that the request's token names. */
const whoAsks =
  sql`(current_setting('request.jwt.claims', true)::json ->> 'sub')::integer`;

/** What is sold; prices are in cents. */
export const products = pgTable("products", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  sku: text().notNull().unique(),
  name: text().notNull(),
  price: integer().notNull(),
  stock: integer().notNull(),
}, (table) => [
  check("products_price_not_negative", sql`${table.price} >= 0`),
  check("products_stock_not_negative", sql`${table.stock} >= 0`),
]);

/** Who orders. */
export const customers = pgTable("customers", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull(),
  email: text().notNull().unique(),
}, (table) => [
  pgPolicy("customers_own", {
    for: "select",
    to: customerRole,
    using: sql`${table.id} = ${whoAsks}`,
  }),
]);

/** An order; what it is made of are its lines. */
export const orders = pgTable("orders", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  customerId: integer("customer_id").notNull().references(() => customers.id),
  status: text({ enum: ["open", "cancelled"] }).notNull().default("open"),
  createdAt: timestamp("created_at", { withTimezone: true })
    .notNull().defaultNow(),
}, (table) => [
  check("orders_status_known", sql`${table.status} in ('open', 'cancelled')`),
  index("orders_customer_id_index").on(table.customerId),
  index("orders_created_at_index").on(table.createdAt),
  pgPolicy("orders_own", {
    for: "select",
    to: customerRole,
    using: sql`${table.customerId} = ${whoAsks}`,
  }),
]);

/** A product of an order, with the price it had then. */
export const orderLines = pgTable("order_lines", {
  orderId: integer("order_id").notNull().references(() => orders.id),
  productId: integer("product_id").notNull().references(() => products.id),
  quantity: integer().notNull(),
  price: integer().notNull(),
}, (table) => [
  primaryKey({ columns: [table.orderId, table.productId] }),
  check("order_lines_quantity_positive", sql`${table.quantity} > 0`),
  check("order_lines_price_not_negative", sql`${table.price} >= 0`),
  // Whoever sees an order sees its lines.
  pgPolicy("order_lines_of_own", {
    for: "select",
    to: customerRole,
    using:
      sql`exists (select from ${orders} where ${orders.id} = ${table.orderId})`,
  }),
]);

/** For `db.query.orders.findFirst({ with: { customer: true } })`. */
export const ordersRelations = relations(orders, ({ one, many }) => ({
  customer: one(customers, {
    fields: [orders.customerId],
    references: [customers.id],
  }),
  lines: many(orderLines),
}));

/** For `db.query.orders.findFirst({ with: { lines: { with: .. } } })`. */
export const orderLinesRelations = relations(orderLines, ({ one }) => ({
  order: one(orders, {
    fields: [orderLines.orderId],
    references: [orders.id],
  }),
  product: one(products, {
    fields: [orderLines.productId],
    references: [products.id],
  }),
}));
