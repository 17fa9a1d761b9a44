import { integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** A short name for an address. */
export const links = pgTable("links", {
  slug: text().primaryKey(),
  url: text().notNull(),
});

/** Somebody followed a link. */
export const visits = pgTable("visits", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  slug: text().notNull().references(() => links.slug),
  at: timestamp({ withTimezone: true }).notNull().defaultNow(),
});
