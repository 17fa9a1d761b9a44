import type { FlightEvent } from "../events/event.ts";
import type { Flight } from "./_inspector_lane.ts";
import type { Idleness } from "./_inspector_marks.ts";

/** Flights whose transport is kept. */
const MAX_FLIGHTS = 200;

/** Milliseconds; a shorter pause in a transaction is the program's own work. */
const MIN_IDLE = 1;

/** From when to when nothing was sent although a transaction was open. */
export interface Pause {
  /** Milliseconds of the log's clock. */
  readonly start: number;
  /** Milliseconds of the log's clock. */
  readonly end: number;
}

/**
 * What of one session travelled together. Whatever a flight has carried is told
 * in one go when it is answered, and how it travelled a little later; a session
 * has one flight in the air at a time, so what does not overlap is another one.
 */
export class LaneFlights {
  /** Whether a transaction is open. */
  isOpen = false;
  readonly #flights: Record<number, Flight> = {};
  #count = 0;
  #lastEnd = -Infinity;
  /** The last one of which is known how it travelled. */
  #named = 0;
  #idle = { total: 0, longest: 0, at: 0 };

  /** How many there were. */
  get count(): number {
    return this.#count;
  }

  /** How they travelled, by number. */
  get flights(): Readonly<Record<number, Flight>> {
    return this.#flights;
  }

  /** For how long a transaction was open while nothing was sent. */
  get idleness(): Idleness {
    return this.#idle;
  }

  /**
   * Puts something that travelled into the last flight, or into a new one.
   *
   * @param start When it began, in milliseconds of the log's clock.
   * @param now When it was told.
   * @returns Its number, and the pause before it.
   */
  join(start: number, now: number): { flight: number; pause?: Pause } {
    if (start < this.#lastEnd || now === this.#lastEnd) {
      return { flight: this.#count };
    }
    const pause = this.pauseUntil(start);
    this.#lastEnd = now;
    return { flight: ++this.#count, ...(pause && { pause }) };
  }

  /**
   * Notes that nothing was sent since the last flight.
   *
   * @param end Until when.
   * @returns The pause, if a transaction was open meanwhile.
   */
  pauseUntil(end: number): Pause | undefined {
    const start = this.#lastEnd;
    const time = end - start;
    if (!this.isOpen || time < MIN_IDLE) return undefined;
    const { total, longest, at } = this.#idle;
    this.#idle = {
      total: total + time,
      longest: Math.max(longest, time),
      at: time > longest ? end : at,
    };
    return { start, end };
  }

  /**
   * Notes how everything travelled of which that was not known yet.
   *
   * @param event How.
   */
  name({ transport, reason, isRequest }: FlightEvent): void {
    const last = Math.min(this.#count, MAX_FLIGHTS);
    for (let flight = this.#named + 1; flight <= last; flight++) {
      this.#flights[flight] = { transport, reason, isRequest };
    }
    this.#named = this.#count;
  }
}
