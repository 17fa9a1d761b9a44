import {
  doublePrecision,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** What a sensor has measured. */
export const readings = pgTable("readings", {
  sensor: text().notNull(),
  at: timestamp({ withTimezone: true }).notNull(),
  value: doublePrecision().notNull(),
}, (table) => [primaryKey({ columns: [table.sensor, table.at] })]);

/** A part of a file that is in the database already, by its SHA-256. */
export const importedBatches = pgTable("imported_batches", {
  digest: text().primaryKey(),
  rows: integer().notNull(),
});
