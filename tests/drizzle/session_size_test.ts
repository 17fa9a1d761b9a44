import {
  assert,
  assertEquals,
  assertFalse,
  assertStrictEquals,
} from "@std/assert";
import { is } from "drizzle-orm";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import { createEngine, type Session, sessionmaker } from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { heapUsed } from "../support/collect_garbage.ts";

const MANY = 2_000;
/** V8 needs 550 more where an accessor makes it a dictionary. */
const BYTES = 300;

const notes = pgTable("notes", { id: integer().primaryKey() });
const schema = { notes };

Deno.test("a session with a schema is no dictionary", () => {
  const engine = createEngine(recordingDriver());
  const more = bytesOf(sessionmaker(engine, { schema })) -
    bytesOf(sessionmaker(engine));
  assert(more < BYTES, `a session with a schema has ${more} bytes more`);
});

Deno.test("db.query is an object like Drizzle's", () => {
  const { query } = sessionmaker(createEngine(recordingDriver()), { schema })();
  assertEquals(Object.keys(query), ["notes"]);
  assert(is(query.notes, RelationalQueryBuilder));
  // What is put on a builder, such as a spy, is still there when it is used.
  assertStrictEquals(query.notes, query.notes);
  assertFalse("users" in query);
});

function bytesOf<Schema extends Record<string, unknown>>(
  make: () => Session<Schema>,
): number {
  // What only the first ones need.
  for (let at = 0; at < 200; at++) make();
  const before = heapUsed();
  const kept = Array.from({ length: MANY }, make);
  return (heapUsed() - before) / kept.length;
}
