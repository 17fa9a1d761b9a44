import type { StatementEvent } from "../events/event.ts";

/**
 * Puts together the statements of a flight, which are told in one go, one
 * behind the other. A failure of what nobody has asked for stands alone.
 */
export class Flights {
  readonly #tell: (flight: readonly StatementEvent[]) => void;
  #events: StatementEvent[] = [];

  /** @param tell Told a flight. */
  constructor(tell: (flight: readonly StatementEvent[]) => void) {
    this.#tell = tell;
  }

  /**
   * Takes one in.
   *
   * @param event What was told.
   */
  add(event: StatementEvent): void {
    if (event.isOwn) {
      if (event.error !== undefined) this.#tell([event]);
      return;
    }
    const events = this.#events;
    events.push(event);
    if (!event.isLast) return;
    // Emptied first: a telling that throws must not be told again.
    this.#events = [];
    this.#tell(events);
  }
}
