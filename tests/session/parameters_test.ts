import { assertEquals, assertRejects } from "@std/assert";
import { inArray, sql } from "drizzle-orm";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker, StateError } from "../../mod.ts";
import { driverBeds } from "../support/drivers.ts";

const notes = pgTable("notes", {
  id: integer().primaryKey(),
  body: text().notNull(),
});
const LIMIT = 65_535;
const rows = Array.from({ length: LIMIT + 1 }, (_, id) => ({ id, body: "x" }));
const ids = rows.map(({ id }) => id);

for (const [name, open] of Object.entries(driverBeds)) {
  Deno.test(`${name}: more parameters than PostgreSQL counts are refused, and lose nothing`, async () => {
    await using bed = await open();
    await using engine = createEngine(bed.driver);
    await using db = sessionmaker(engine)();
    await db.execute("create table notes (id int primary key, body text)");

    const half = rows.slice(0, LIMIT / 2 + 1);
    for (const query of [db.insert(notes).values(half), reading(ids)]) {
      const error = await assertRejects(() => query.execute(), StateError);
      assertEquals(error.code, "TOO_MANY_PARAMETERS");
    }
    // What the error advises; as many as PostgreSQL counts are no matter.
    db.addAll(notes, rows);
    assertEquals((await reading(ids.slice(1))).length, LIMIT);
    const wanted = sql`${notes.id} = any(${sql.param(ids)})`;
    assertEquals(await db.$count(notes, wanted), rows.length);
    await db.commit();

    function reading(wanted: readonly number[]) {
      return db.select({ id: notes.id }).from(notes)
        .where(inArray(notes.id, [...wanted]));
    }
  });
}
