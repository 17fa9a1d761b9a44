import {
  context,
  metrics,
  ROOT_CONTEXT,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import { assert, assertEquals } from "@std/assert";
import { sql } from "drizzle-orm";
import { createEngine, type Engine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neonHttp } from "../../src/neon/mod.ts";
import { QueryShapes } from "../../src/otel/_semantic_attributes.ts";
import { instrument } from "../../src/otel/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { collectGarbage, heapUsed } from "../support/collect_garbage.ts";
import { testDatabase } from "../support/postgres.ts";
import { waitFor } from "../support/wait_for.ts";
import { metricBed } from "./metric_bed.ts";
import { CONNECTING, spanBed } from "./otel_bed.ts";

Deno.test("instrument() with a tracer that throws breaks nothing", async () => {
  await using database = await testDatabase({
    setup: "create table things (n int)",
  });
  await using engine = createEngine(postgres(database.url));
  let thrown = 0;
  engine.on("listenerError", () => thrown++);
  const tracerProvider: TracerProvider = {
    getTracer: () => ({
      startSpan() {
        throw new RangeError("the tracer's own");
      },
      startActiveSpan() {
        throw new RangeError("the tracer's own");
      },
    }),
  };
  await using bed = metricBed();
  instrument(engine, { tracerProvider, meterProvider: bed.meterProvider });
  const Session = sessionmaker(engine);
  await Session.begin((db) => db.execute("insert into things values (1)"));
  await Session.begin((db) => db.execute("select 1 / 0")).catch(() => {});
  await engine.idle();
  assert(thrown > 3);
  assertEquals(await database.query("select n from things"), [{ n: 1 }]);
  assertEquals(await database.connections(), 0);
  // What is measured does not depend on it.
  const operations = (await bed.collect()).get("db.client.operation.duration");
  assertEquals(operations?.length, 3);
});

/** Forgets a session in the middle of its transaction. */
async function forget(engine: Engine): Promise<void> {
  const db = sessionmaker(engine)({ name: "the forgetful one" });
  await db.execute("create table in_vain (id int)");
}

Deno.test("instrument() ends the spans of a session that was dropped", async () => {
  await using database = await testDatabase();
  await using engine = createEngine(postgres(database.url));
  const spans = spanBed();
  await using bed = metricBed();
  instrument(engine, { meterProvider: bed.meterProvider });
  await forget(engine);
  assertEquals(spans.named("database session"), []);
  await waitFor(() => {
    collectGarbage();
    return spans.named("database session").length > 0;
  });
  await engine.idle();
  assertEquals(spans.tree({ without: CONNECTING }), [
    "database session !SESSION_LEAKED",
    "  database transaction !SESSION_LEAKED",
    "    create table in_vain",
  ]);
  const leaks = (await bed.collect()).get("nullpool.session.leaks");
  assertEquals(leaks?.map(({ value }) => value), [1]);
});

async function forgetRead(engine: Engine): Promise<void> {
  await sessionmaker(engine)().$count(sql`(values (1)) as v`);
}

Deno.test("instrument() ends the span of a session that was dropped without a connection", async () => {
  await using database = await testDatabase();
  const server = await serveNeon({ backend: database.url, port: 0 });
  try {
    await using engine = createEngine(neonHttp(server.url));
    const spans = spanBed();
    instrument(engine);
    await forgetRead(engine);
    await waitFor(() => {
      collectGarbage();
      return spans.named("database session").length > 0;
    });
    const [session] = spans.named("database session");
    assertEquals(session?.attributes["error.type"], "SESSION_LEAKED");
  } finally {
    await server.close();
    await server.idle();
  }
});

Deno.test("instrument() holds nothing of sessions that have ended", async () => {
  context.disable();
  trace.disable();
  const driver = recordingDriver();
  const engine = createEngine(driver);
  let open = 0;
  const tracerProvider: TracerProvider = {
    getTracer: () => ({
      // As an SDK's, with nobody who keeps what has ended.
      startSpan(_name, _options, parent = ROOT_CONTEXT) {
        open++;
        const span = trace.wrapSpanContext({
          traceId: "0af7651916cd43dd8448eb211c80319c",
          spanId: (open + 1).toString(16).padStart(16, "0"),
          traceFlags: 1,
        });
        assert(parent !== undefined);
        return Object.assign(span, { end: () => open-- });
      },
      startActiveSpan() {
        throw new RangeError("Nobody asks for that");
      },
    }),
  };
  instrument(engine, { tracerProvider });
  const Session = sessionmaker(engine);
  async function work(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      await Session.begin((db) => db.execute(`select ${n} as "a${n}"`));
    }
    await engine.idle();
    // What was sent is kept by the driver, and by nobody else.
    (driver.log as string[]).splice(0);
  }
  await work(2_000);
  const before = heapUsed();
  await work(10_000);
  const growth = heapUsed() - before;
  assertEquals(open, 0);
  assert(growth < 1_000_000, `${growth} bytes`);
});

Deno.test("instrument() knows no more texts than it has to", () => {
  const shapes = new QueryShapes();
  for (let n = 0; n < 5_000; n++) shapes.of(`select ${n} from things`);
  assertEquals(shapes.size, 500);
  shapes.of(`select ${"'a long one', ".repeat(1_000)} 1`);
  assertEquals(shapes.size, 500);
  const one = shapes.of("select 4999 from things");
  assert(one === shapes.of("select 4999 from things"));
});

Deno.test("instrument() without an SDK looks at no statement", async () => {
  context.disable();
  trace.disable();
  metrics.disable();
  const engine = createEngine(recordingDriver());
  const stop = instrument(engine);
  // Without metrics only the spans' listeners are there.
  assert(!engine.hears("checkin"));
  const counting = countAsked();
  const Session = sessionmaker(engine);
  await Session.begin(async (db) => {
    for (let n = 0; n < 100; n++) await db.execute("select 1 as one");
  });
  await engine.idle();
  // One span is begun for the session, to find out, and nothing after it.
  assertEquals(counting.stop(), 1);
  stop();
});

/** Counts the spans that the tracer without an SDK is asked for. */
function countAsked(): { stop(): number } {
  const noop = Object.getPrototypeOf(
    trace.getTracerProvider().getTracer("x"),
  );
  const { startSpan } = noop;
  let count = 0;
  noop.startSpan = function (...args: unknown[]) {
    count++;
    return startSpan.apply(this, args);
  };
  return {
    stop() {
      noop.startSpan = startSpan;
      return count;
    },
  };
}
