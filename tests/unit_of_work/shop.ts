import { relations, sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  integer,
  jsonb,
  pgTable,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** Customers, who may be recommended by others. */
export const customers = pgTable("customers", {
  id: serial().primaryKey(),
  name: text().notNull(),
  age: integer(),
  email: text().unique(),
  extra: jsonb().$type<{ tags: string[]; more?: unknown }>(),
  createdAt: timestamp({ withTimezone: true }).notNull().default(sql`now()`),
  recommendedBy: integer().references((): AnyPgColumn => customers.id),
});

/** Their orders. */
export const orders = pgTable("orders", {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  customerId: integer().notNull().references(() => customers.id),
  note: text(),
});

export const customerRelations = relations(customers, ({ many }) => ({
  orders: many(orders),
}));
export const orderRelations = relations(orders, ({ one }) => ({
  customer: one(customers, {
    fields: [orders.customerId],
    references: [customers.id],
  }),
}));

/** What a sessionmaker is given. */
export const shop = { customers, orders, customerRelations, orderRelations };

/** The tables as SQL. */
export const SHOP_SETUP = [
  `create table customers (id serial primary key, name text not null, age int,
    email text constraint customers_email_unique unique, extra jsonb,
    "createdAt" timestamptz not null default now(),
    "recommendedBy" int references customers)`,
  `create table orders (id int generated always as identity primary key,
    "customerId" int not null references customers, note text)`,
];
