import type { Statement } from "../driver/statement.ts";

/** What a flight has come to, as far as it matters here. */
interface Outcome {
  /** One for each statement that succeeded. */
  readonly results: readonly unknown[];
  /** Why it went no further. */
  readonly failure?: unknown;
  /** Which statement failed, where that is known. */
  readonly failedAt?: number | undefined;
}

/** Which statements of a flight have an event, and which of them are whose. */
export class ToldFlight {
  /** How many of them somebody has asked for. */
  readonly size: number;
  /** Place of the last of those that are told. */
  readonly last: number;
  readonly #statements: readonly Statement[];
  readonly #flight: Outcome;
  readonly #tellers: readonly unknown[];

  /**
   * @param statements What was sent.
   * @param flight What it came to.
   * @param tellers By place: for statements with an event of their own.
   */
  constructor(
    statements: readonly Statement[],
    flight: Outcome,
    tellers: readonly unknown[],
  ) {
    this.#statements = statements;
    this.#flight = flight;
    this.#tellers = tellers;
    let size = 0;
    for (let index = 0; index < statements.length; index++) {
      if (!this.isOwn(index)) size++;
    }
    this.size = size;
    let last = statements.length - 1;
    while (last >= 0 && (this.isOwn(last) || !this.tells(last))) last--;
    this.last = last;
  }

  /**
   * Whether nobody has asked for a statement.
   *
   * @param index Its place.
   */
  isOwn(index: number): boolean {
    return this.#tellers[index] !== undefined ||
      this.#statements[index]?.isOwn === true;
  }

  /**
   * Whether a statement has an event.
   *
   * @param index Its place.
   */
  tells(index: number): boolean {
    const { results, failure, failedAt } = this.#flight;
    if (index < results.length) return this.#tellers[index] === undefined;
    if (failure === undefined) return false;
    // Nobody knows which it was, unless there is only one that it can be.
    if (failedAt === undefined) return this.size === 0 || !this.isOwn(index);
    return index === failedAt;
  }
}
