import { assertEquals, assertRejects } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { CommitOutcomeError, createEngine, sessionmaker } from "../../mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { cuttingRelay } from "../support/cutting_relay.ts";
import { testDatabase } from "../support/postgres.ts";
import { metricBed } from "./metric_bed.ts";
import { spanBed } from "./otel_bed.ts";

const things = pgTable("things", { n: integer().primaryKey() });
const setup = "create table things (n int primary key)";

Deno.test("instrument() tells no outcome of a commit whose answer was lost", async () => {
  await using database = await testDatabase({ setup });
  await using relay = cuttingRelay(database.url);
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href));
  await using metrics = metricBed();
  const spans = spanBed();
  instrument(engine, { meterProvider: metrics.meterProvider });
  const Session = sessionmaker(engine);

  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.insert(things).values({ n: 1 });
      relay.arm("after"); // COMMIT travels alone
    }), CommitOutcomeError);
  await assertRejects(() =>
    Session.begin(async (db) => {
      await db.execute("select pg_backend_pid()");
      db.add(things, { n: 2 }); // it travels with the flush
      relay.arm("after");
    }), CommitOutcomeError);
  await engine.idle();

  const outcomes = spans.named("database transaction").map(({ attributes }) =>
    attributes["nullpool.transaction.outcome"]
  );
  assertEquals(outcomes, ["unknown", "unknown"]);
  const counted = (await metrics.collect()).get("nullpool.transactions") ?? [];
  assertEquals(counted.map(({ attributes, value }) => [attributes, value]), [
    [{ "nullpool.transaction.outcome": "unknown" }, 2],
  ]);
});

Deno.test("instrument() ends a transaction whose settings were refused", async () => {
  await using database = await testDatabase({ setup });
  await using engine = createEngine(postgres(database.url));
  const spans = spanBed();
  instrument(engine);
  const Session = sessionmaker(engine, { roles: ["no_such_role"] });
  const db = Session({ claims: { sub: "u-7" } });
  for (let run = 0; run < 2; run++) {
    await assertRejects(() => db.execute("select 1").then(() => {}));
  }
  await db.close();
  await engine.idle();
  const ids = new Set(spans.spans().map((span) => span.spanContext().spanId));
  const told = spans.named("database transaction").map((span) => [
    span.attributes["nullpool.transaction.outcome"],
    span.attributes["error.type"],
    ids.has(span.parentSpanContext?.spanId ?? ""),
  ]);
  assertEquals(told, [
    ["rolled back", "22023", true],
    ["rolled back", "22023", true],
  ]);
});
