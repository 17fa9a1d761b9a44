import type { Attributes, Meter } from "@opentelemetry/api";
import type { DatabaseAddress } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type {
  CheckoutErrorEvent,
  CommitEvent,
  RollbackEvent,
  StatementEvent,
} from "../events/event.ts";
import type { EventSource } from "./_event_source.ts";
import { type Instruments, instrumentsOf } from "./_instruments.ts";
import type { QuerySummary } from "./_query_summary.ts";
import { Flights } from "./_flights.ts";
import {
  batchSummary,
  databaseAttributes,
  type Failure,
  failureAttributes,
  operationAttributes,
  type QueryShapes,
} from "./_semantic_attributes.ts";

/** What metrics are made with. */
export interface MetricConfig {
  /** Makes instruments. */
  readonly meter: Meter;
  /** Takes texts apart. */
  readonly shapes: QueryShapes;
  /** Whose events they are made of. */
  readonly source: EventSource;
  /** What the pool at an address is called. */
  readonly poolOf: (address: DatabaseAddress | undefined) => string;
}

/** What the server was asked for. */
interface Operation {
  /** Which database. */
  readonly address: DatabaseAddress | undefined;
  /** Milliseconds that it took. */
  readonly duration: number;
  /** Why it failed, if it did. */
  readonly failure: Failure | undefined;
}

/** Makes metrics of events. */
export class MetricRecorder {
  readonly #config: MetricConfig;
  readonly #instruments: Instruments;
  readonly #flights = new Flights((flight) => this.#flight(flight));
  /** Sessions whose transaction is open on the server. */
  readonly #begun = new WeakSet<PoolHolder>();

  /** @param config What they are made with. */
  constructor(config: MetricConfig) {
    this.#config = config;
    this.#instruments = instrumentsOf(config.meter);
  }

  /**
   * Begins to listen.
   *
   * @returns Each stops listening to events of a type.
   */
  listen(): (() => void)[] {
    const { source } = this.#config;
    const { createTime, waitTime, useTime, roundTrips, retries, leaks } =
      this.#instruments;
    return [
      this.#observe(source),
      source.on("connect", ({ address, duration }) => {
        createTime.record(duration / 1000, this.#poolOf(address));
      }),
      source.on("checkout", ({ address, duration }) => {
        waitTime.record(duration / 1000, this.#poolOf(address));
      }),
      source.on("checkoutError", (event) => this.#checkoutError(event)),
      source.on("checkin", ({ address, held }) => {
        useTime.record(held / 1000, this.#poolOf(address));
      }),
      source.on("statement", (event) => this.#flights.add(event)),
      source.on("begin", ({ session }) => {
        if (session !== undefined) this.#begun.add(session);
      }),
      source.on("commit", (event) => this.#commit(event)),
      source.on("rollback", (event) => this.#rollback(event)),
      source.on("sessionClose", (event) => {
        if (event.roundTrips > 0) roundTrips.record(event.roundTrips);
      }),
      source.on("retry", (event) => {
        retries.add(1, failureAttributes({ ...event, sqlstate: undefined }));
      }),
      source.on("leak", () => leaks.add(1)),
    ];
  }

  /** What the pools hold is looked up when it is asked for. */
  #observe(source: EventSource): () => void {
    const { meter } = this.#config;
    const { count, idleMax, max, pending } = this.#instruments;
    const observed = [count, idleMax, max, pending];
    const observe: Parameters<Meter["addBatchObservableCallback"]>[0] = (
      result,
    ) => {
      for (const engine of [source, ...source.readers]) {
        const { checkedOut, idle, closing, waiting, size } = engine.status();
        const { driver, capacity = Infinity } = engine;
        const pool = this.#poolOf(driver.address?.());
        const states = { used: checkedOut, idle, closing };
        for (const [state, value] of Object.entries(states)) {
          const attributes = { ...pool, "db.client.connection.state": state };
          result.observe(count, value, attributes);
        }
        result.observe(pending, waiting, pool);
        result.observe(idleMax, size, pool);
        if (capacity < Infinity) result.observe(max, capacity, pool);
      }
    };
    meter.addBatchObservableCallback(observe, observed);
    return () => meter.removeBatchObservableCallback(observe, observed);
  }

  #checkoutError({ address, error }: CheckoutErrorEvent): void {
    if (error !== "POOL_TIMEOUT") return;
    this.#instruments.timeouts.add(1, this.#poolOf(address));
  }

  #flight(events: readonly StatementEvent[]): void {
    const [first] = events;
    // A rollback has an event of its own, answered or not.
    if (first === undefined || (first.isOwn && first.text === "rollback")) {
      return;
    }
    const { address, duration, flightSize, isOwn } = first;
    const shapes = events.map(({ text }) => this.#config.shapes.of(text));
    const [only] = shapes;
    const isBatch = !isOwn && flightSize > 1;
    const shape = isBatch || only === undefined ? batchSummary(shapes) : only;
    const failure = events.find(({ error }) => error !== undefined);
    this.#operation(shape, { address, duration, failure });
  }

  #command(name: string, duration: number): void {
    const address = this.#config.source.driver.address?.();
    const shape = { summary: name, operation: name, collection: undefined };
    this.#operation(shape, { address, duration, failure: undefined });
  }

  #operation(
    shape: QuerySummary,
    { address, duration, failure }: Operation,
  ): void {
    this.#instruments.operation.record(duration / 1000, {
      ...databaseAttributes(address),
      ...operationAttributes(shape),
      ...(failure && failureAttributes(failure)),
    });
  }

  #commit({ session, statements, duration }: CommitEvent): void {
    if (statements === 0) this.#command("commit", duration);
    this.#ended(session, "committed");
  }

  #rollback({ session, changes, duration, isInDoubt }: RollbackEvent): void {
    if (duration > 0) this.#command("rollback", duration);
    // Reads have had transactions of their own.
    const hasBegun = session !== undefined && this.#begun.has(session);
    if (!hasBegun && changes === 0) return;
    this.#ended(session, isInDoubt ? "unknown" : "rolled back");
  }

  #ended(session: PoolHolder | undefined, outcome: string): void {
    if (session !== undefined) this.#begun.delete(session);
    const attributes = { "nullpool.transaction.outcome": outcome };
    this.#instruments.transactions.add(1, attributes);
  }

  #poolOf(address: DatabaseAddress | undefined): Attributes {
    const name = this.#config.poolOf(address);
    return { "db.client.connection.pool.name": name };
  }
}
