import {
  AggregationTemporality,
  type DataPoint,
  type ExponentialHistogram,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";

/** A time series: what was measured under some attributes. */
export interface Series {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The sum, or how often something was measured. */
  readonly value: number;
  /** Bounds of buckets, of a histogram. */
  readonly bounds?: readonly number[];
  /** All of it together, of a histogram. */
  readonly sum?: number;
}

/** Metrics in memory. */
export interface MetricBed extends AsyncDisposable {
  readonly meterProvider: MeterProvider;
  /** What was measured so far, by name. */
  collect(): Promise<Map<string, Series[]>>;
}

/** Makes one. */
export function metricBed(): MetricBed {
  const exporter = new InMemoryMetricExporter(
    AggregationTemporality.CUMULATIVE,
  );
  const reader = new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: 3_600_000,
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  return {
    meterProvider,
    async collect() {
      exporter.reset();
      await meterProvider.forceFlush();
      const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) => metrics)
      );
      return new Map(
        metrics.map((
          { descriptor, dataPoints },
        ) => [descriptor.name, dataPoints.map((point) => seriesOf(point))]),
      );
    },
    [Symbol.asyncDispose]: () => meterProvider.shutdown(),
  };
}

function seriesOf(
  { attributes, value }: DataPoint<
    number | Histogram | ExponentialHistogram
  >,
): Series {
  if (typeof value === "number") return { attributes, value };
  const { count, sum = 0 } = value;
  const bounds = "buckets" in value ? value.buckets.boundaries : [];
  return { attributes, value: count, bounds, sum };
}
