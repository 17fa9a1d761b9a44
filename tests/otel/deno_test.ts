import { assert, assertEquals } from "@std/assert";
import { testDatabase } from "../support/postgres.ts";

/** A span, as OTLP writes it. */
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly OtlpAttribute[];
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpMetrics {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly metrics: readonly { readonly name: string }[];
    }[];
  }[];
}

const SERVER = 2;

function attribute(span: OtlpSpan, key: string): string {
  const found = span.attributes.find((each) => each.key === key);
  return String(found?.value.stringValue ?? "");
}

Deno.test("instrument() under Deno's own tracing: its HTTP spans are the parents", async () => {
  await using database = await testDatabase({
    setup: "create table things (id serial primary key, n int not null)",
  });
  const spans: OtlpSpan[] = [];
  const names = new Set<string>();
  await using collector = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/v1/traces") {
        const { resourceSpans }: OtlpTraces = await request.json();
        spans.push(
          ...resourceSpans.flatMap(({ scopeSpans }) =>
            scopeSpans.flatMap((scope) => scope.spans)
          ),
        );
      } else if (pathname === "/v1/metrics") {
        const { resourceMetrics }: OtlpMetrics = await request.json();
        for (const { scopeMetrics } of resourceMetrics) {
          for (const { metrics } of scopeMetrics) {
            for (const { name } of metrics) names.add(name);
          }
        }
      }
      return Response.json({});
    },
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tests/otel/served_app.ts"],
    env: {
      DATABASE_URL: database.url,
      REQUESTS: "20",
      OTEL_DENO: "true",
      OTEL_DENO_CONSOLE: "ignore",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const chains: string[] = [];
  for (const span of spans) {
    const own = /"own(\d+)"/.exec(attribute(span, "db.query.text"))?.[1];
    if (own === undefined) continue;
    const chain: string[] = [];
    let each: OtlpSpan | undefined = span;
    while (each !== undefined && each.kind !== SERVER) {
      chain.push(each.name);
      each = byId.get(each.parentSpanId);
    }
    // Each below the request that it was made for.
    assert(each !== undefined, chain.join());
    const path = new URL(attribute(each, "url.full")).pathname;
    assertEquals(path, `/things/${own}`);
    assertEquals(each.traceId, span.traceId);
    chains.push(chain.join(" < "));
  }
  assertEquals(chains.length, 20);
  assertEquals(
    [...new Set(chains)],
    ["select < database transaction < database session"],
  );
  assert(names.has("db.client.operation.duration"), [...names].join());
  assert(names.has("nullpool.session.round_trips"));
});
