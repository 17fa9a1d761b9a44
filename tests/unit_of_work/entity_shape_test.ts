import { assert, assertEquals } from "@std/assert";
import { integer, PgDialect, pgTable, serial, text } from "drizzle-orm/pg-core";
import { tableInfoReader } from "../../src/drizzle/table_info.ts";
import { EntityMaker } from "../../src/unit_of_work/new_entity.ts";
import { heapUsed } from "../support/collect_garbage.ts";

const MANY = 5_000;
/** Of an entity of six columns; V8 needs 600 for a dictionary. */
const BYTES = 300;

const read = tableInfoReader(new PgDialect());
const NUMBERS = {
  a: integer(),
  b: integer(),
  c: integer(),
  d: integer(),
};
const left = pgTable("left", {
  id: serial().primaryKey(),
  name: text(),
  ...NUMBERS,
});
const right = pgTable("right", {
  id: serial().primaryKey(),
  ...NUMBERS,
  name: text(),
});

Deno.test("entities of all tables and sessions are as small as objects are", () => {
  const made: unknown[] = [];
  for (const table of [left, right, left]) {
    // Each session has its own.
    const maker = new EntityMaker(() => undefined);
    const before = heapUsed();
    for (let at = 0; at < MANY; at++) made.push(maker.make(read(table), {}));
    const kept = (heapUsed() - before) / MANY;
    assert(kept < BYTES, `an entity has ${kept} bytes`);
  }
  assertEquals(made.length, 3 * MANY);
});

Deno.test("an entity is an object like any other", () => {
  const { entity } = new EntityMaker(() => undefined)
    .make(read(left), { id: 1, name: "x", a: 2 });
  const same = { id: 1, name: "x", a: 2, b: null, c: null, d: null };
  assertEquals(entity, same);
  assertEquals(Object.getPrototypeOf(entity), Object.prototype);
  assertEquals(structuredClone(entity), same);
  assertEquals(Deno.inspect(entity), Deno.inspect(same));
});
