import { integer, pgTable, serial, text, timestamp } from "drizzle-orm/pg-core";

/** The tables, for Drizzle and for what is built on it. */
export const products = pgTable("products", {
  id: serial().primaryKey(),
  name: text().notNull(),
  price: integer().notNull(),
  stock: integer().notNull(),
});

/** Only read. */
export const customers = pgTable("customers", {
  id: serial().primaryKey(),
  name: text().notNull(),
  email: text().notNull(),
});

/** With {@linkcode orderLines}. */
export const orders = pgTable("orders", {
  id: serial().primaryKey(),
  customer: text().notNull(),
  total: integer().notNull(),
});

/** Of {@linkcode orders}. */
export const orderLines = pgTable("order_lines", {
  id: serial().primaryKey(),
  orderId: integer("order_id").notNull().references(() => orders.id),
  sku: text().notNull(),
  quantity: integer().notNull(),
  price: integer().notNull(),
});

/** They come in thousands. */
export const readings = pgTable("readings", {
  id: serial().primaryKey(),
  sensor: text().notNull(),
  value: integer().notNull(),
  unit: text().notNull(),
  takenAt: timestamp("taken_at", { withTimezone: true }).notNull(),
});

/** With a key that may be taken. */
export const notes = pgTable("notes", {
  id: serial().primaryKey(),
  key: text().notNull().unique(),
  body: text().notNull(),
});
