/**
 * A value that an earlier statement of the transaction has made: that of the
 * `place`-th row of the insert that publishes under `name`.
 */
export class KeyReference {
  /** What the insert publishes under. */
  readonly name: string;
  /** Which of its rows, from 1. */
  readonly place: number;

  /**
   * @param name What the insert publishes under.
   * @param place Which of its rows, from 1.
   */
  constructor(name: string, place: number) {
    this.name = name;
    this.place = place;
  }
}
