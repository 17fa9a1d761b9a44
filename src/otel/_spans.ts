import {
  type Attributes,
  context,
  SpanKind,
  type Tracer,
} from "@opentelemetry/api";
import type { DatabaseAddress } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type {
  BeginEvent,
  CheckoutErrorEvent,
  CheckoutEvent,
  CommitEvent,
  ConnectEvent,
  LeakEvent,
  RetryEvent,
  RollbackEvent,
  SessionCloseEvent,
  SessionOpenEvent,
  StatementEvent,
} from "../events/event.ts";
import type { Clock } from "./_clock.ts";
import { Flights } from "./_flights.ts";
import {
  batchSummary,
  databaseAttributes,
  type Failure,
  operationAttributes,
  type QueryShapes,
} from "./_semantic_attributes.ts";
import { endSpan, type Interval, SessionTrace } from "./_session_trace.ts";
import type { EventSource } from "./_event_source.ts";

/**
 * A kind of span. `session`: from the making of a session to its end, if it
 * does anything. `transaction`: from BEGIN to COMMIT or ROLLBACK. `statement`:
 * each statement, and each COMMIT or ROLLBACK that travels alone; several that
 * travel together are inside of one for their batch. `checkout`: the wait for a
 * connection, with its opening inside.
 */
export type SpanName = "session" | "transaction" | "statement" | "checkout";

/** What spans are made with. */
export interface SpanConfig {
  /** Makes them. */
  readonly tracer: Tracer;
  /** Tells when they begin and end. */
  readonly clock: Clock;
  /** Which ones. */
  readonly kinds: ReadonlySet<SpanName>;
  /** Whether they tell the text of statements. */
  readonly queryText: boolean;
  /** Takes texts apart. */
  readonly shapes: QueryShapes;
  /** Whose events they are made of. */
  readonly source: EventSource;
  /** What the pool at an address is called. */
  readonly poolOf: (address: DatabaseAddress | undefined) => string;
}

/** Makes spans of events. */
export class SpanRecorder {
  readonly #config: SpanConfig;
  readonly #flights = new Flights((flight) => this.#flight(flight));
  readonly #sessions = new WeakMap<PoolHolder, SessionTrace>();
  /** Some Workers have no such class; a leak is told there all the same. */
  readonly #dropped = typeof FinalizationRegistry === "function"
    ? new FinalizationRegistry<SessionTrace>(endDropped)
    : undefined;

  /** @param config What they are made with. */
  constructor(config: SpanConfig) {
    this.#config = config;
  }

  /**
   * Begins to listen.
   *
   * @returns Each stops listening to events of a type.
   */
  listen(): (() => void)[] {
    const { source } = this.#config;
    return [
      source.on("sessionOpen", (event) => this.#open(event)),
      source.on("sessionClose", (event) => this.#close(event)),
      source.on("connect", (event) => this.#connect(event)),
      source.on("checkout", (event) => this.#checkout(event)),
      source.on("checkoutError", (event) => this.#checkout(event)),
      source.on("begin", (event) => this.#begin(event)),
      source.on("statement", (event) => this.#statement(event)),
      source.on("commit", (event) => this.#commit(event)),
      source.on("rollback", (event) => this.#rollback(event)),
      source.on("retry", (event) => this.#retry(event)),
      source.on("leak", (event) => this.#leak(event)),
    ];
  }

  /** Where transactions are: replicas have none. */
  get #database(): Attributes {
    return databaseAttributes(this.#config.source.driver.address?.());
  }

  #open({ session }: SessionOpenEvent): void {
    if (session === undefined) return;
    const outer = session.parent && this.#sessions.get(session.parent);
    this.#sessions.set(
      session,
      new SessionTrace(this.#config, context.active(), outer),
    );
  }

  #close({ session, statements, roundTrips }: SessionCloseEvent): void {
    const trace = session && this.#sessions.get(session);
    if (trace === undefined || trace.hasEnded) return;
    this.#dropped?.unregister(trace);
    trace.session?.span.setAttributes({
      "nullpool.session.statements": statements,
      "nullpool.session.round_trips": roundTrips,
    });
    this.#tellConnects(trace);
    trace.end(trace.now());
  }

  /** What is under way of a session; nothing where nobody records it. */
  #traceOf(
    session: PoolHolder | undefined,
    duration: number,
  ): SessionTrace | undefined {
    // Without a session it is whoever is active that has done it.
    if (session === undefined) {
      return new SessionTrace(this.#config, context.active());
    }
    let trace = this.#sessions.get(session);
    if (trace === undefined) {
      trace = new SessionTrace(this.#config, context.active());
      this.#sessions.set(session, trace);
    }
    if (trace.isSilent || trace.hasEnded) return undefined;
    if (trace.session === undefined && this.#config.kinds.has("session")) {
      const startTime = Math.min(trace.openedAt, trace.last(duration).start);
      trace.session = trace.begin(
        {
          name: "database session",
          kind: SpanKind.INTERNAL,
          startTime,
          attributes: {
            ...this.#database,
            "nullpool.session.name": session.name,
          },
        },
        undefined,
        trace.links,
      );
      this.#dropped?.register(session, trace, trace);
    }
    return trace.isSilent ? undefined : trace;
  }

  #connect({ session, duration }: ConnectEvent): void {
    if (!this.#config.kinds.has("checkout")) return;
    const trace = this.#traceOf(session, duration);
    if (trace === undefined) return;
    trace.connects.push(trace.last(duration));
    // Nobody can tell whose it was.
    if (session === undefined) this.#tellConnects(trace);
  }

  /** Inside of the checkout that it was for, or by itself where none came. */
  #tellConnects(trace: SessionTrace, parent = trace.context): void {
    for (const { start, end } of trace.connects.splice(0)) {
      const parts = {
        name: "connect",
        kind: SpanKind.CLIENT,
        startTime: start,
        attributes: this.#database,
      };
      trace.begin(parts, parent).span.end(end);
    }
  }

  #checkout(event: CheckoutEvent | CheckoutErrorEvent): void {
    const { session, address, duration } = event;
    const trace = this.#traceOf(session, duration);
    if (trace === undefined) return;
    const failure = event.type === "checkoutError" ? event : undefined;
    if (failure !== undefined) trace.failure = failure;
    if (!this.#config.kinds.has("checkout")) return;
    const { start, end } = trace.last(duration);
    const { span, context } = trace.begin({
      name: "pool checkout",
      kind: SpanKind.INTERNAL,
      // Events tell how long something took, and are heard a moment later:
      // what was opened for this could seem to have begun before it.
      startTime: Math.min(start, ...trace.connects.map(({ start }) => start)),
      attributes: {
        ...databaseAttributes(address),
        "db.client.connection.pool.name": this.#config.poolOf(address),
      },
    });
    this.#tellConnects(trace, context);
    endSpan(span, end, failure);
  }

  #begin({ session, options, duration }: BeginEvent): void {
    const trace = this.#traceOf(session, duration);
    if (trace === undefined || !this.#config.kinds.has("transaction")) return;
    const { isolationLevel = "read committed", readOnly = false } = options;
    trace.transaction = trace.begin({
      name: "database transaction",
      kind: SpanKind.INTERNAL,
      startTime: trace.last(duration).start,
      attributes: {
        ...this.#database,
        "nullpool.transaction.isolation_level": isolationLevel,
        "nullpool.transaction.read_only": readOnly,
      },
    });
  }

  #statement(event: StatementEvent): void {
    const { session } = event;
    if (session && this.#sessions.get(session)?.isSilent) return;
    this.#flights.add(event);
  }

  #flight(events: readonly StatementEvent[]): void {
    const [first] = events;
    if (first === undefined || isRollback(first)) return;
    const { session, duration, flightSize, isOwn } = first;
    const trace = this.#traceOf(session, duration);
    if (trace === undefined) return;
    const failed = events.find(({ error }) => error !== undefined);
    trace.failure = failed;
    if (!this.#config.kinds.has("statement")) return;
    const time = trace.last(duration);
    if (isOwn || flightSize <= 1) {
      return this.#tellStatement(trace, first, time);
    }
    const { span, context } = this.#beginBatch(trace, events, time);
    for (const event of events) {
      this.#tellStatement(trace, event, time, context);
    }
    endSpan(span, time.end, failed);
  }

  #beginBatch(
    trace: SessionTrace,
    events: readonly StatementEvent[],
    { start }: Interval,
  ): ReturnType<SessionTrace["begin"]> {
    const [first] = events;
    const shape = batchSummary(
      events.map(({ text }) => this.#config.shapes.of(text)),
    );
    return trace.begin({
      name: shape.summary,
      kind: SpanKind.CLIENT,
      startTime: start,
      attributes: {
        ...databaseAttributes(first?.address),
        ...operationAttributes(shape),
        "db.operation.batch.size": first?.flightSize ?? 0,
      },
    });
  }

  #tellStatement(
    trace: SessionTrace,
    event: StatementEvent,
    { start, end }: Interval,
    context = trace.context,
  ): void {
    const { shapes, queryText } = this.#config;
    const shape = shapes.of(event.text);
    const { span } = trace.begin({
      name: shape.summary || "postgresql",
      kind: SpanKind.CLIENT,
      startTime: start,
      attributes: {
        ...databaseAttributes(event.address),
        ...operationAttributes(shape),
        ...(queryText && { "db.query.text": shape.text }),
      },
    }, context);
    endSpan(span, end, event);
  }

  #commit({ session, statements, duration }: CommitEvent): void {
    const trace = this.#traceOf(session, duration);
    if (trace === undefined) return;
    trace.failure = undefined;
    // With statements it is a part of their flight.
    if (statements === 0) this.#tellCommand(trace, "commit", duration);
    this.#endTransaction(trace, { outcome: "committed" });
  }

  #rollback({ session, reason, duration, isInDoubt }: RollbackEvent): void {
    const trace = session && this.#sessions.get(session);
    if (trace === undefined || trace.isSilent || trace.hasEnded) return;
    if (duration > 0) this.#tellCommand(trace, "rollback", duration);
    const outcome = isInDoubt ? "unknown" : "rolled back";
    this.#endTransaction(trace, { outcome, reason });
  }

  #tellCommand(trace: SessionTrace, name: string, duration: number): void {
    if (!this.#config.kinds.has("statement")) return;
    const { start, end } = trace.last(duration);
    const parts = {
      name,
      kind: SpanKind.CLIENT,
      startTime: start,
      attributes: {
        ...this.#database,
        "db.query.summary": name,
        "db.operation.name": name,
      },
    };
    trace.begin(parts).span.end(end);
  }

  #endTransaction(
    trace: SessionTrace,
    { outcome, reason }: { outcome: string; reason?: string | undefined },
  ): void {
    const { transaction, failure } = trace;
    if (transaction === undefined) return;
    trace.transaction = undefined;
    transaction.span.setAttributes({
      "nullpool.transaction.outcome": outcome,
      ...(reason !== undefined && { "nullpool.transaction.reason": reason }),
    });
    endSpan(transaction.span, trace.now(), failure);
  }

  #retry({ session, failures, error }: RetryEvent): void {
    const trace = session && this.#sessions.get(session);
    trace?.session?.span.setAttributes({
      "nullpool.retry.failures": failures,
      ...(error !== undefined && { "nullpool.retry.reason": error }),
    });
  }

  #leak({ session }: LeakEvent): void {
    const trace = session && this.#sessions.get(session);
    if (trace !== undefined) endDropped(trace);
  }
}

/** A rollback has an event of its own, answered or not. */
function isRollback({ isOwn, text }: StatementEvent): boolean {
  return isOwn && text === "rollback";
}

const LEAKED: Failure = { error: "SESSION_LEAKED", sqlstate: undefined };

/** Ends what nobody can go on with, at the time at which it was last heard of. */
function endDropped(trace: SessionTrace): void {
  if (!trace.hasEnded) trace.end(trace.heardAt, LEAKED);
}
