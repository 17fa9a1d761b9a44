import { context, type Span, trace } from "@opentelemetry/api";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import type { MiddlewareHandler } from "hono";

/** Spans in memory, and the tree that they are. */
export interface SpanBed {
  readonly tracerProvider: NodeTracerProvider;
  /** All that have ended. */
  spans(): ReadableSpan[];
  /** Those with a name. */
  named(name: string): ReadableSpan[];
  /** Their names, each indented below its parent's, by time of beginning. */
  tree(options?: TreeOptions): string[];
  /** Runs something inside of a span. */
  inside<T>(name: string, run: (span: Span) => Promise<T>): Promise<T>;
  /** A span for each request, as an HTTP server's instrumentation makes it. */
  readonly middleware: MiddlewareHandler;
}

/** What a tree leaves out. */
export interface TreeOptions {
  /** Names of spans. */
  readonly without?: readonly string[];
}

/** What depends on whether a connection was there already. */
export const CONNECTING = ["pool checkout", "connect"];

/** Makes one, with Node's SDK and its context manager. */
export function spanBed(): SpanBed {
  context.disable();
  trace.disable();
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new NodeTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  tracerProvider.register();
  const tracer = tracerProvider.getTracer("test");
  async function inside<T>(
    name: string,
    run: (span: Span) => Promise<T>,
  ): Promise<T> {
    return await tracer.startActiveSpan(name, async (span) => {
      try {
        return await run(span);
      } finally {
        span.end();
      }
    });
  }
  return {
    tracerProvider,
    inside,
    spans: () => exporter.getFinishedSpans(),
    named: (name) =>
      exporter.getFinishedSpans().filter((span) => span.name === name),
    tree: (options) => treeOf(exporter.getFinishedSpans(), options),
    middleware: async (c, next) => {
      await inside(`${c.req.method} ${c.req.path}`, () => next());
    },
  };
}

function treeOf(
  spans: readonly ReadableSpan[],
  { without = [] }: TreeOptions = {},
): string[] {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const ordered = spans
    .map((span, ended) => ({ span, ended }))
    .sort((a, b) =>
      msOf(a.span.startTime) - msOf(b.span.startTime) ||
      msOf(b.span.endTime) - msOf(a.span.endTime) || a.ended - b.ended
    )
    .map(({ span }) => span);
  function below(id: string | undefined, depth: number): string[] {
    return ordered.flatMap((span) => {
      const parent = span.parentSpanContext?.spanId;
      const own = parent !== undefined && ids.has(parent) ? parent : undefined;
      if (own !== id || without.includes(span.name)) return [];
      const error = span.attributes["error.type"];
      const text = `${"  ".repeat(depth)}${span.name}`;
      return [
        error === undefined ? text : `${text} !${error}`,
        ...below(span.spanContext().spanId, depth + 1),
      ];
    });
  }
  return below(undefined, 0);
}

/** Milliseconds since 1970. */
export function msOf([seconds, nanoseconds]: [number, number]): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** The span that something runs inside of. */
export function activeId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().spanId;
}
