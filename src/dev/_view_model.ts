import type { InspectorAbout, InspectorMessage } from "./_inspector_feed.ts";
import type { Lane } from "./_inspector_lane.ts";

/** Which lanes are shown. */
export interface LaneFilter {
  /** In names, routes, SQL and marks; words that all have to be there. */
  readonly search: string;
  /** The kind of a mark, `any` of them, or nothing. */
  readonly mark: string;
  /** A transport, or nothing. */
  readonly transport: string;
}

/** A line of the page. */
export interface LaneRow {
  /** What it shows. */
  readonly lane: Lane;
  /** 1, or more for tasks under what waits for them. */
  readonly level: number;
  /** Where its line begins, in milliseconds of the log's clock. */
  readonly base: number;
}

/** Sums over what is shown. */
export interface LaneTotals {
  /** Requests and tasks. */
  readonly lanes: number;
  /** Milliseconds of the one in the middle. */
  readonly median: number;
  /** Milliseconds of the one that is slower than 95 of 100. */
  readonly slow: number;
  /** Round trips of each, on average. */
  readonly roundTrips: number;
  /** Those with a mark. */
  readonly marked: number;
}

/** What the page knows, as data. */
export class ViewModel {
  readonly #lanes = new Map<number, Lane>();
  /** Lanes up to this one are cleared away. */
  #cleared = 0;
  #about: InspectorAbout | undefined;
  #status: InspectorMessage["status"] | undefined;

  /** What does not change. */
  get about(): InspectorAbout | undefined {
    return this.#about;
  }

  /** What the pool holds. */
  get status(): InspectorMessage["status"] | undefined {
    return this.#status;
  }

  /**
   * Takes a message in.
   *
   * @param message What the server says.
   * @returns Lanes that are new or have changed.
   */
  apply(message: InspectorMessage): number[] {
    if (message.about !== undefined) {
      // Everything is sent again, maybe by another process.
      if (message.about.epoch !== this.#about?.epoch) this.#cleared = 0;
      this.#about = message.about;
      this.#lanes.clear();
    }
    this.#status = message.status;
    for (const lane of message.lanes) {
      if (lane.id > this.#cleared) this.#lanes.set(lane.id, lane);
    }
    for (const id of message.gone) this.#lanes.delete(id);
    for (const id of this.#lanes.keys()) {
      if (id < message.first) this.#lanes.delete(id);
    }
    return message.lanes.map(({ id }) => id);
  }

  /** Leaves out everything that is there. */
  clear(): void {
    this.#cleared = Math.max(this.#cleared, ...this.#lanes.keys());
    this.#lanes.clear();
  }

  /**
   * A lane.
   *
   * @param id Its number.
   */
  lane(id: number): Lane | undefined {
    return this.#lanes.get(id);
  }

  /**
   * Lines from the newest to the oldest, tasks under what waits for them. A task
   * that is found brings those above it along.
   *
   * @param filter What is looked for.
   */
  rows(filter: LaneFilter): LaneRow[] {
    const below = new Map<number, Lane[]>();
    const roots: Lane[] = [];
    for (const lane of this.#inOrder()) {
      const { parent } = lane;
      if (parent === undefined || !this.#lanes.has(parent)) roots.push(lane);
      else below.set(parent, [...below.get(parent) ?? [], lane]);
    }
    const shown = (lane: Lane, level: number, base: number): LaneRow[] => {
      const tasks = (below.get(lane.id) ?? [])
        .flatMap((task) => shown(task, level + 1, base));
      return tasks.length > 0 || this.#matches(lane, filter)
        ? [{ lane, level, base }, ...tasks]
        : [];
    };
    return roots.toReversed().flatMap((lane) => shown(lane, 1, lane.openedAt));
  }

  /**
   * When a lane has ended, or how far it is.
   *
   * @param lane The lane.
   * @param now What the log's clock shows.
   */
  endOf({ closedAt, request }: Lane, now: number): number {
    return closedAt ?? Math.max(now, request?.at ?? 0);
  }

  /**
   * How many milliseconds a line shows, so that nine of ten lanes fit.
   *
   * @param rows Lines.
   */
  scale(rows: readonly LaneRow[]): number {
    const times = rows
      .filter(({ lane }) => lane.closedAt !== undefined)
      .map(({ lane, base }) => this.endOf(lane, 0) - base);
    const wanted = this.#rank(times, 0.9) * 1.04;
    const steps = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];
    return steps.find((step) => step >= wanted) ??
      Math.ceil(wanted / 10_000) * 10_000;
  }

  /**
   * Sums.
   *
   * @param rows Lines.
   * @param now What the log's clock shows.
   */
  totals(rows: readonly LaneRow[], now: number): LaneTotals {
    const times = rows.map(({ lane }) => this.endOf(lane, now) - lane.openedAt);
    const trips = rows.reduce(
      (sum, { lane }) => sum + lane.counts.roundTrips,
      0,
    );
    return {
      lanes: rows.length,
      median: this.#rank(times, 0.5),
      slow: this.#rank(times, 0.95),
      roundTrips: rows.length === 0 ? 0 : trips / rows.length,
      marked: rows.filter(({ lane }) => lane.marks.length > 0).length,
    };
  }

  /** A lane that is sent again keeps its place. */
  #inOrder(): Lane[] {
    return [...this.#lanes.values()].sort((a, b) => a.id - b.id);
  }

  #rank(values: number[], part: number): number {
    const sorted = values.sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
  }

  #matches(lane: Lane, { search, mark, transport }: LaneFilter): boolean {
    const { marks, flights, texts, name, request } = lane;
    if (mark === "any" && marks.length === 0) return false;
    if (mark !== "" && mark !== "any") {
      if (!marks.some(({ kind }) => kind === mark)) return false;
    }
    if (transport !== "") {
      const all = Object.values(flights);
      if (!all.some((flight) => flight.transport === transport)) return false;
    }
    const words = search.toLowerCase().split(/\s+/).filter((word) => word);
    if (words.length === 0) return true;
    const answer = request
      ? `${request.method} ${request.route} ${request.status ?? "threw"}`
      : "";
    const all = [name, answer, ...texts, ...marks.map(({ label }) => label)]
      .join("\n").toLowerCase();
    return words.every((word) => all.includes(word));
  }
}
