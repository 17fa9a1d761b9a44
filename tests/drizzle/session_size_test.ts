import { assert, assertEquals, assertFalse } from "@std/assert";
import { is } from "drizzle-orm";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { RelationalQueryBuilder } from "drizzle-orm/pg-core/query-builders/query";
import { createEngine, type Session, sessionmaker } from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { heapUsed } from "../support/collect_garbage.ts";

const MANY = 2_000;
/** V8 needs 550 more where an accessor makes it a dictionary. */
const BYTES = 300;

const schema = Object.fromEntries(
  Array.from({ length: 30 }, (_, at) => {
    const name = `table_${at}`;
    return [name, pgTable(name, { id: integer().primaryKey() })];
  }),
);

Deno.test("a session is as small with a schema as without, whatever its size", () => {
  const engine = createEngine(recordingDriver());
  const more = bytesOf(sessionmaker(engine, { schema })) -
    bytesOf(sessionmaker(engine));
  assert(more < BYTES, `a session with a schema has ${more} bytes more`);
});

Deno.test("db.query has the tables of the schema, and what objects have", () => {
  const { query } = sessionmaker(createEngine(recordingDriver()), { schema })();
  assertEquals(Object.keys(query), Object.keys(schema));
  for (const builder of Object.values(query)) {
    assert(is(builder, RelationalQueryBuilder));
  }
  assertFalse("users" in query);
  assertEquals(String(query), "[object Object]");
  assertEquals(Object.keys({ ...query }), Object.keys(schema));
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
