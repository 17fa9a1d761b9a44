import type { Counter, Histogram, Meter, Observable } from "@opentelemetry/api";

/** What is measured: names and units are those of the conventions. */
export interface Instruments {
  /** Seconds of each operation. */
  readonly operation: Histogram;
  /** Connections by state. */
  readonly count: Observable;
  /** Connections that the pool keeps at most. */
  readonly idleMax: Observable;
  /** Connections that can be in use at once. */
  readonly max: Observable;
  /** Checkouts that wait. */
  readonly pending: Observable;
  /** Checkouts that have waited in vain. */
  readonly timeouts: Counter;
  /** Seconds until a connection was open. */
  readonly createTime: Histogram;
  /** Seconds until a connection was lent. */
  readonly waitTime: Histogram;
  /** Seconds for which one was lent. */
  readonly useTime: Histogram;
  /** Waits for the server by session. */
  readonly roundTrips: Histogram;
  /** Transactions by outcome. */
  readonly transactions: Counter;
  /** Units of work that are run again. */
  readonly retries: Counter;
  /** Sessions that were dropped. */
  readonly leaks: Counter;
}

/** As the conventions advise. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** More than ten are rare. */
const ROUND_TRIPS = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50, 100];

/**
 * Makes the instruments.
 *
 * @param meter Of the SDK.
 */
export function instrumentsOf(meter: Meter): Instruments {
  return { ...connectionInstruments(meter), ...sessionInstruments(meter) };
}

function connectionInstruments(
  meter: Meter,
): Omit<
  Instruments,
  "operation" | "roundTrips" | "transactions" | "retries" | "leaks"
> {
  const connections = { unit: "{connection}" };
  return {
    count: meter.createObservableUpDownCounter("db.client.connection.count", {
      ...connections,
      description: "Connections by state: used, idle or closing.",
    }),
    idleMax: meter.createObservableUpDownCounter(
      "db.client.connection.idle.max",
      {
        ...connections,
        description: "Connections that the pool keeps at most.",
      },
    ),
    max: meter.createObservableUpDownCounter("db.client.connection.max", {
      ...connections,
      description: "Connections that can be open at once.",
    }),
    pending: meter.createObservableUpDownCounter(
      "db.client.connection.pending_requests",
      {
        unit: "{request}",
        description: "Checkouts that wait for a connection.",
      },
    ),
    timeouts: meter.createCounter("db.client.connection.timeouts", {
      unit: "{timeout}",
      description: "Checkouts that have waited in vain.",
    }),
    createTime: seconds(
      meter,
      "db.client.connection.create_time",
      "Time until a new connection was open.",
    ),
    waitTime: seconds(
      meter,
      "db.client.connection.wait_time",
      "Time until a connection was lent, opening included.",
    ),
    useTime: seconds(
      meter,
      "db.client.connection.use_time",
      "Time for which a connection was lent.",
    ),
  };
}

function sessionInstruments(
  meter: Meter,
): Pick<
  Instruments,
  "operation" | "roundTrips" | "transactions" | "retries" | "leaks"
> {
  return {
    operation: seconds(
      meter,
      "db.client.operation.duration",
      "Duration of database client operations.",
    ),
    roundTrips: meter.createHistogram("nullpool.session.round_trips", {
      unit: "{round_trip}",
      description: "Waits for the server of sessions that had any.",
      advice: { explicitBucketBoundaries: ROUND_TRIPS },
    }),
    transactions: meter.createCounter("nullpool.transactions", {
      unit: "{transaction}",
      description: "Transactions by outcome.",
    }),
    retries: meter.createCounter("nullpool.retries", {
      unit: "{retry}",
      description: "Units of work that are run again.",
    }),
    leaks: meter.createCounter("nullpool.session.leaks", {
      unit: "{session}",
      description: "Sessions that were dropped without close().",
    }),
  };
}

function seconds(meter: Meter, name: string, description: string): Histogram {
  return meter.createHistogram(name, {
    unit: "s",
    description,
    advice: { explicitBucketBoundaries: SECONDS },
  });
}
