import { trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { createEngine, sessionmaker } from "../../mod.ts";
import { instrument } from "../../src/otel/mod.ts";
import { recordingDriver } from "../../src/testing/recording_driver.ts";

/** Units of work at once under Node's SDK; prints what spans they are. */
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});
provider.register();
const engine = createEngine(recordingDriver());
instrument(engine);
const Session = sessionmaker(engine);
const tracer = trace.getTracer("app");
await Promise.all(
  [1, 2, 3].map((n) =>
    tracer.startActiveSpan(`work ${n}`, async (span) => {
      await new Promise((resolve) => setTimeout(resolve));
      await Session.begin(async (db) => {
        await db.execute(`insert into things (n) select 1 "own${n}"`);
        await new Promise((resolve) => setTimeout(resolve));
        await db.execute(`select 1 as "own${n}"`);
      });
      span.end();
    })
  ),
);
await engine.idle();
const spans = exporter.getFinishedSpans();
const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
const chains = spans.flatMap((span) => {
  const text = String(span.attributes["db.query.text"] ?? "");
  const own = /own\d/.exec(text)?.[0];
  if (own === undefined) return [];
  const names = [own];
  for (
    let each: typeof span | undefined = span;
    each !== undefined;
    each = byId.get(each.parentSpanContext?.spanId ?? "")
  ) names.push(each.name);
  return [names.join(" < ")];
});
console.log(JSON.stringify({ chains: chains.toSorted() }));
