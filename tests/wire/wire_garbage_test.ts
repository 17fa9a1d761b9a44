import { assert } from "@std/assert";
import type { Statement } from "../../src/driver/statement.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { collectYoungGarbage, heapUsed } from "../support/collect_garbage.ts";
import { testDatabase } from "../support/postgres.ts";

const FLIGHTS = 300;
const BYTES = 10_000;

const LONG: Statement = {
  text: `select repeat('x', ${BYTES})`,
  params: [],
  rowMode: "object",
  access: "pure",
};

Deno.test("WireConnection lets a minor collection have what a flight has left", async () => {
  await using database = await testDatabase();
  const connection = await postgres(database.url).connect();
  for (let flight = 0; flight < 20; flight++) await connection.send([LONG]);
  const before = heapUsed();
  for (let flight = 0; flight < FLIGHTS; flight++) {
    await connection.send([LONG]);
  }
  collectYoungGarbage();
  const kept = (Deno.memoryUsage().heapUsed - before) / FLIGHTS;
  assert(kept < BYTES / 2, `${kept} bytes of each flight are left`);
  await connection.close();
});
