import type {
  CheckoutErrorEvent,
  CheckoutEvent,
  EngineEvent,
  FlushEvent,
  RollbackEvent,
  StatementEvent,
} from "../events/event.ts";
import { LaneFlights } from "./_inspector_flights.ts";
import type {
  Lane,
  LaneRequest,
  Mark,
  Step,
  StepKind,
} from "./_inspector_lane.ts";
import {
  idleMarks,
  type Repetition,
  repetitionMarks,
  sortedMarks,
} from "./_inspector_marks.ts";
import type { InspectorTexts, KeptText } from "./_inspector_texts.ts";
import { KeptValues } from "./_inspector_values.ts";

/** Steps, texts and flights that a lane keeps; more are counted. */
const MAX_STEPS = 200;

/** Marks that a lane keeps besides those that are made of its sums. */
const MAX_MARKS = 20;

/** Milliseconds; a pool that has one free takes less. */
const MIN_WAIT = 0.1;

const SAVEPOINT = {
  begin: "SAVEPOINT",
  release: "RELEASE SAVEPOINT",
  rollback: "ROLLBACK TO",
};

/** What a lane begins with. */
export interface LaneStart {
  /** Counted up. */
  readonly id: number;
  /** The lane that waits for it. */
  readonly parent: number | undefined;
  /** The session's name. */
  readonly name: string;
  /** Where it was made. */
  readonly place: string;
  /** When. */
  readonly openedAt: number;
  /** Whether it ends with `sessionClose`; others end with their checkin. */
  readonly isSession: boolean;
}

/** Turns the events of one session into its lane. */
export class LaneRecorder {
  readonly #start: LaneStart;
  readonly #store: InspectorTexts;
  readonly #steps: Step[] = [];
  readonly #values = new KeptValues();
  readonly #flights = new LaneFlights();
  readonly #texts = new Map<KeptText, number>();
  readonly #shapes = new Map<string, Repetition>();
  readonly #marks: Mark[] = [];
  #counts = { statements: 0, connections: 0, rows: 0, dropped: 0 };
  #request: LaneRequest | undefined;
  #closedAt: number | undefined;
  #isLeaked = false;

  /**
   * @param start What is known of it.
   * @param texts Keeps its SQL.
   */
  constructor(start: LaneStart, texts: InspectorTexts) {
    this.#start = start;
    this.#store = texts;
  }

  /** Its number. */
  get id(): number {
    return this.#start.id;
  }

  /** Lets its texts go, when nobody will look at it any more. */
  end(): void {
    for (const kept of this.#texts.keys()) this.#store.letGo(kept);
    this.#texts.clear();
  }

  /**
   * Takes an event in.
   *
   * @param event Of this session.
   * @param now When it was told.
   */
  take(event: EngineEvent, now: number): void {
    switch (event.type) {
      case "connect":
        this.#counts.connections++;
        this.#step("connect", now - event.duration, now);
        return;
      case "checkout":
      case "checkoutError":
        return this.#wait(event, now);
      case "begin":
        this.#fly("begin", event.duration, now);
        this.#flights.isOpen = true;
        return;
      case "statement":
        return this.#statement(event, now);
      case "savepoint":
        this.#fly("savepoint", event.duration, now, {
          note: `${SAVEPOINT[event.action]} ${event.name}`,
        });
        this.#flights.isOpen = true;
        return;
      case "commit":
        this.#fly("commit", event.duration, now);
        this.#flights.isOpen = false;
        return;
      case "rollback":
        return this.#rollback(event, now);
      case "flight":
        return this.#flights.name(event);
      case "flush":
        return this.#flush(event, now);
      default:
        return this.#life(event, now);
    }
  }

  /** What it has become so far. */
  lane(): Lane {
    const { id, parent, name, place, openedAt } = this.#start;
    return {
      id,
      parent,
      name,
      place,
      openedAt,
      closedAt: this.#closedAt,
      isOpen: this.#flights.isOpen && this.#closedAt === undefined,
      request: this.#request,
      steps: this.#sorted(),
      flights: this.#flights.flights,
      texts: [...this.#texts.keys()].map(({ text }) => text),
      marks: sortedMarks([
        ...this.#marks,
        ...repetitionMarks(this.#shapes.values()),
        ...idleMarks(this.#flights.idleness),
      ]),
      counts: { ...this.#counts, roundTrips: this.#flights.count },
    };
  }

  /** Parameters, by place of the step in the lane. */
  values(): Record<number, readonly string[]> {
    return Object.fromEntries(
      this.#sorted().flatMap((step, index) => {
        const values = this.#values.of(step);
        return values === undefined ? [] : [[index, values]];
      }),
    );
  }

  /** By their start; BEGIN of a batch is told behind what it has begun. */
  #sorted(): Step[] {
    return this.#steps.toSorted((a, b) =>
      a.start - b.start || Number(b.kind === "begin") -
        Number(a.kind === "begin")
    );
  }

  /** How a session begins, is answered, and ends. */
  #life(event: EngineEvent, now: number): void {
    switch (event.type) {
      case "checkin":
        this.#step("close", now - event.duration, now, {
          ...(event.discarded && { note: "thrown away" }),
        });
        if (!this.#start.isSession || this.#isLeaked) this.#closedAt = now;
        return;
      case "sessionClose":
        this.#closedAt = now;
        return;
      case "request": {
        const { method, route, status } = event;
        this.#request = { method, route, status, at: now };
        return;
      }
      case "retry":
        return this.#mark("retry", now, {
          label: `retry ${event.failures}`,
          note: `Run ${event.failures} failed${
            event.error === undefined ? "" : ` (${event.error})`
          } and is repeated after ${
            Math.round(event.delay)
          } ms, in a session of its own.`,
        });
      case "leak":
        this.#isLeaked = true;
        this.#flights.isOpen = false;
        return this.#mark("leak", now, {
          label: "leak",
          note:
            `The session was dropped without close()${event.place}: use Session.begin(), "await using", or close it in "finally".`,
        });
    }
  }

  #wait(event: CheckoutEvent | CheckoutErrorEvent, now: number): void {
    const start = now - event.duration;
    if (event.type === "checkoutError") {
      const error = failureOf(event) ?? "it was given up";
      this.#step("wait", start, now, { error });
      return this.#mark("error", now, {
        label: "no connection",
        note: `It got no connection: ${error}.`,
      });
    }
    // What the wait had in it is told before it.
    const opening = this.#steps.findLast(({ kind }) => kind === "connect");
    const end = opening !== undefined && opening.end > start
      ? Math.max(start, opening.start)
      : now;
    if (end - start >= MIN_WAIT) this.#step("wait", start, end);
  }

  #statement(event: StatementEvent, now: number): void {
    const { text, rowCount, parameters, duration } = event;
    const kept = this.#keep(text);
    if (!event.isOwn) this.#count(kept, rowCount ?? 0, now);
    const error = failureOf(event);
    if (error !== undefined) {
      // Unless a savepoint follows, its end is on its way, and told later.
      this.#flights.isOpen = false;
      this.#mark("error", now, {
        label: "error",
        note: `A statement failed: ${error}.`,
      });
    }
    const values = this.#values.textsOf(parameters);
    const place = this.#texts.get(kept);
    const step = this.#fly("statement", duration, now, {
      rows: rowCount,
      ...(place !== undefined && { text: place }),
      ...(error !== undefined && { error }),
      ...(values && { hasValues: values.length > 0 }),
    });
    if (step && values) this.#values.keep(step, values);
  }

  /** One that somebody has asked for. */
  #count({ text, shape }: KeptText, rows: number, at: number): void {
    this.#counts.statements++;
    this.#counts.rows += rows;
    const { count } = this.#shapes.get(shape) ?? { count: 0 };
    if (count > 0 || this.#shapes.size < MAX_STEPS) {
      this.#shapes.set(shape, { count: count + 1, text, at });
    }
  }

  /** Each text once; what comes behind the limit is counted by its shape alone. */
  #keep(text: string): KeptText {
    const kept = this.#store.keep(text);
    const isNew = !this.#texts.has(kept);
    if (isNew && this.#texts.size < MAX_STEPS) {
      this.#texts.set(kept, this.#texts.size);
    } else this.#store.letGo(kept);
    return kept;
  }

  #rollback(event: RollbackEvent, now: number): void {
    const { duration, reason, changes, isInDoubt } = event;
    const lost = isInDoubt
      ? "COMMIT got no answer, and nobody knows what became of it"
      : changes === 0
      ? "nothing was lost"
      : changes === 1
      ? "1 change was dropped"
      : `${changes} changes were dropped`;
    const note = reason === undefined ? lost : `${lost}: ${reason}`;
    if (duration > 0) this.#fly("rollback", duration, now, { note });
    else {
      const pause = this.#flights.pauseUntil(now);
      if (pause) this.#step("idle", pause.start, pause.end);
      this.#step("rollback", now, now, { note });
    }
    this.#flights.isOpen = false;
    // Reads that nobody commits end so as well.
    if (changes === 0) return;
    this.#mark("rollback", now, {
      label: isInDoubt ? "in doubt" : "rolled back",
      note: isInDoubt ? `${note}.` : `Rolled back, ${note}.`,
    });
  }

  #flush(event: FlushEvent, now: number): void {
    const { inserted, updated, deleted, statements } = event;
    const parts = [
      inserted > 0 && `${inserted} inserted`,
      updated > 0 && `${updated} updated`,
      deleted > 0 && `${deleted} deleted`,
    ].filter((part) => part !== false);
    const rows = parts.length === 0 ? "no rows" : parts.join(", ");
    this.#step("flush", now - event.duration, now, {
      note: `${rows} in ${statements} statement${statements === 1 ? "" : "s"}`,
    });
  }

  /** Something that travelled: with what was told just before, or alone. */
  #fly(
    kind: StepKind,
    duration: number,
    now: number,
    more: Partial<Step> = {},
  ): Step | undefined {
    const start = now - duration;
    const { flight, pause } = this.#flights.join(start, now);
    if (pause) this.#step("idle", pause.start, pause.end);
    return this.#step(kind, start, now, { flight, ...more });
  }

  #step(
    kind: StepKind,
    start: number,
    end: number,
    more: Partial<Step> = {},
  ): Step | undefined {
    if (this.#steps.length >= MAX_STEPS) {
      this.#counts.dropped++;
      return undefined;
    }
    const step = { kind, start, end, ...more };
    this.#steps.push(step);
    return step;
  }

  #mark(
    kind: Mark["kind"],
    at: number,
    words: Pick<Mark, "label" | "note">,
  ): void {
    if (this.#marks.length < MAX_MARKS) {
      this.#marks.push({ kind, at, ...words });
    }
  }
}

/** What the server says, too, where it was the server. */
function failureOf(
  { error, sqlstate }: Pick<StatementEvent, "error" | "sqlstate">,
): string | undefined {
  return sqlstate === undefined ? error : `${error}, SQLSTATE ${sqlstate}`;
}
