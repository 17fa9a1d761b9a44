import {
  createNoopMeter,
  type MeterProvider,
  metrics,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import type { DatabaseAddress } from "../driver/driver.ts";
import type { Engine } from "../engine/engine.ts";
import { checkEngine } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { Clock } from "./_clock.ts";
import { MetricRecorder } from "./_metrics.ts";
import { QueryShapes, SCHEMA_URL } from "./_semantic_attributes.ts";
import { type SpanName, SpanRecorder } from "./_spans.ts";

/** What is told of an engine, and to whom. */
export interface InstrumentOptions {
  /**
   * Where spans go. One that is registered later on counts as well.
   *
   * @default {the one that is registered with `@opentelemetry/api`}
   */
  readonly tracerProvider?: TracerProvider;
  /**
   * Where metrics go. Without one nothing is measured, so register it first.
   *
   * @default {the one that is registered with `@opentelemetry/api`}
   */
  readonly meterProvider?: MeterProvider;
  /**
   * Which spans are made.
   *
   * @default {all: ["session", "transaction", "statement", "checkout"]}
   */
  readonly spans?: readonly SpanName[];
  /**
   * Whether spans have the text of statements (`db.query.text`): placeholders
   * stay, literals are `?`, comments are left out, and what lies beyond 4,096
   * characters is cut off. Values of parameters are never told.
   * Strings are read as with `standard_conforming_strings`, PostgreSQL's default.
   *
   * @default {true}
   */
  readonly queryText?: boolean;
  /**
   * What the pool is called (`db.client.connection.pool.name`).
   *
   * @default {host:port/database, or the driver's name where there is no server}
   */
  readonly poolName?: string;
}

const INSTRUMENT_OPTIONS: OptionNames<InstrumentOptions> = {
  tracerProvider: true,
  meterProvider: true,
  spans: true,
  queryText: true,
  poolName: true,
};

/** Its name among the instrumentations of a program. */
const SCOPE = "@nullpool/db";

const SPAN_NAMES: readonly SpanName[] = [
  "session",
  "transaction",
  "statement",
  "checkout",
];

/**
 * Tells OpenTelemetry what an engine does: spans of sessions, transactions,
 * statements and waits for a connection, and metrics of the pool, by the stable
 * conventions for databases (semantic conventions 1.44). It covers the engines
 * made with `engine.with()`, and the replicas.
 *
 * The span of a session is a child of what is active where the session is made,
 * such as that of the request; of the session that waits for it, if no other
 * span was made active in between. What runs behind the end of that session,
 * such as `background()`, is linked to it. Under Deno (`OTEL_DENO=true`) and
 * with an SDK's context manager nothing else has to be set up.
 *
 * `error.type` is the SQLSTATE where the server has refused something, and the
 * code of our error elsewhere. `db.namespace` is the database of the URL.
 * `db.operation.name` and `db.collection.name` are told where a statement is one
 * operation (on one table).
 *
 * Without an SDK no span is made and nothing is measured. A tracer that throws
 * breaks nothing: it is told as the engine's event `listenerError`.
 *
 * As `SQLAlchemyInstrumentor().instrument(engine=..)` of OpenTelemetry's
 * `opentelemetry-instrumentation-sqlalchemy`.
 *
 * @example The spans of a unit of work
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { instrument } from "@nullpool/db/otel";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import {
 *   BasicTracerProvider,
 *   InMemorySpanExporter,
 *   SimpleSpanProcessor,
 * } from "@opentelemetry/sdk-trace-base";
 * import { assertEquals } from "@std/assert";
 *
 * const exporter = new InMemorySpanExporter();
 * const tracerProvider = new BasicTracerProvider({
 *   spanProcessors: [new SimpleSpanProcessor(exporter)],
 * });
 * const engine = createEngine(recordingDriver());
 * const stop = instrument(engine, { tracerProvider });
 *
 * await sessionmaker(engine).begin((db) =>
 *   db.execute("insert into orders (customer) values ('a secret')")
 * );
 * await engine.idle();
 * const spans = exporter.getFinishedSpans();
 * assertEquals(spans.map((span) => span.name), [
 *   "connect",
 *   "pool checkout",
 *   "insert orders",
 *   "commit",
 *   "database transaction",
 *   "database session",
 * ]);
 * assertEquals(
 *   spans[2]?.attributes["db.query.text"],
 *   "insert into orders (customer) values (?)",
 * );
 * stop();
 * ```
 *
 * @example Metrics
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { instrument } from "@nullpool/db/otel";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import {
 *   AggregationTemporality,
 *   InMemoryMetricExporter,
 *   MeterProvider,
 *   PeriodicExportingMetricReader,
 * } from "@opentelemetry/sdk-metrics";
 * import { assert } from "@std/assert";
 *
 * const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
 * const meterProvider = new MeterProvider({
 *   readers: [new PeriodicExportingMetricReader({ exporter })],
 * });
 * const engine = createEngine(recordingDriver());
 * instrument(engine, { meterProvider });
 *
 * await sessionmaker(engine).begin((db) => db.execute("select 1"));
 * await engine.idle();
 * await meterProvider.forceFlush();
 * const names = exporter.getMetrics().flatMap(({ scopeMetrics }) =>
 *   scopeMetrics.flatMap(({ metrics }) =>
 *     metrics.map(({ descriptor }) => descriptor.name)
 *   )
 * );
 * assert(names.includes("db.client.operation.duration"));
 * assert(names.includes("db.client.connection.count"));
 * await meterProvider.shutdown();
 * ```
 *
 * @param engine Whose work is told; once for each engine.
 * @param options What is told, and to whom.
 * @returns Stops it. Stop when sessions have ended: spans that are open then are
 * not told.
 * @throws {TypeError} When `spans` is no list, or there is no engine.
 * @throws {RangeError} When it names a span that there is not.
 */
export function instrument(
  engine: Engine,
  options: InstrumentOptions = {},
): () => void {
  checkEngine(engine, "instrument");
  checkOptionNames("instrument()", options, INSTRUMENT_OPTIONS);
  const { spans = SPAN_NAMES, queryText = true } = options;
  checkSpans(spans);
  const { tracerProvider = trace, meterProvider = metrics } = options;
  const tracer = tracerProvider.getTracer(SCOPE, undefined, {
    schemaUrl: SCHEMA_URL,
  });
  const meter = meterProvider.getMeter(SCOPE, undefined, {
    schemaUrl: SCHEMA_URL,
  });
  const shared = {
    source: engine,
    shapes: new QueryShapes(),
    poolOf: (address: DatabaseAddress | undefined) =>
      options.poolName ??
        (address === undefined
          ? engine.driver.name
          : `${address.host}:${address.port}/${address.database}`),
  };
  const stops: (() => void)[] = [];
  if (spans.length > 0) {
    const kinds = new Set(spans);
    const clock = new Clock();
    const parts = { ...shared, tracer, clock, kinds, queryText };
    const recorder = new SpanRecorder(parts);
    stops.push(...recorder.listen());
  }
  // Without an SDK there is one meter that measures nothing.
  if (meter !== createNoopMeter()) {
    stops.push(...new MetricRecorder({ ...shared, meter }).listen());
  }
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}

function checkSpans(spans: readonly SpanName[]): void {
  if (!Array.isArray(spans)) {
    throw new TypeError('Cannot use option "spans": it is a list');
  }
  for (const name of spans) {
    if (SPAN_NAMES.includes(name)) continue;
    throw new RangeError(
      `Cannot use option "spans": its names are ${SPAN_NAMES.join(", ")}`,
    );
  }
}
