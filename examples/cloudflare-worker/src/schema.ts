import { relations } from "drizzle-orm";
import {
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** A note. */
export const notes = pgTable("notes", {
  id: integer().primaryKey().generatedAlwaysAsIdentity(),
  title: text().notNull(),
  body: text().notNull().default(""),
  createdAt: timestamp("created_at", { withTimezone: true })
    .notNull().defaultNow(),
});

/** What a note is about. */
export const noteTags = pgTable("note_tags", {
  noteId: integer("note_id").notNull()
    .references(() => notes.id, { onDelete: "cascade" }),
  tag: text().notNull(),
}, (table) => [
  primaryKey({ columns: [table.noteId, table.tag] }),
  index("note_tags_tag_index").on(table.tag),
]);

/** What belongs to a note. */
export const notesRelations = relations(notes, ({ many }) => ({
  tags: many(noteTags),
}));

/** Whose a tag is. */
export const noteTagsRelations = relations(noteTags, ({ one }) => ({
  note: one(notes, { fields: [noteTags.noteId], references: [notes.id] }),
}));
