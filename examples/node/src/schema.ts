import { sql } from "drizzle-orm";
import { bigint, check, integer, pgTable, text } from "drizzle-orm/pg-core";

/** Who has how much, in cents. */
export const accounts = pgTable("accounts", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  owner: text().notNull(),
  balance: bigint({ mode: "number" }).notNull().default(0),
}, (table) => [
  check("accounts_balance_not_negative", sql`${table.balance} >= 0`),
]);

/** What went from one to the other. */
export const transfers = pgTable("transfers", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  fromId: integer("from_id").notNull().references(() => accounts.id),
  toId: integer("to_id").notNull().references(() => accounts.id),
  amount: bigint({ mode: "number" }).notNull(),
});
