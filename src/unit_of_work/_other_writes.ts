/**
 * What was written beside the unit of work: a row that was asked for before is
 * to be read again.
 */
export class OtherWrites {
  #clock = 0;
  /** When tables were written so, by name, and when it may have been any. */
  readonly #at = new Map<string, number>();
  #anyAt = 0;

  /** The time of now, for what is asked for. */
  get now(): number {
    return this.#clock;
  }

  /** Lets time pass; what was asked for until now is older. */
  advance(): number {
    return ++this.#clock;
  }

  /**
   * Notes a write.
   *
   * @param tables By name; nothing where it may be any.
   */
  note(tables: ReadonlySet<string> | undefined): void {
    const now = this.advance();
    if (tables === undefined) this.#anyAt = now;
    for (const name of tables ?? []) this.#at.set(name, now);
  }

  /**
   * Whether a table was written since.
   *
   * @param table Its name.
   * @param time What `now` was.
   */
  isAfter(table: string, time: number): boolean {
    return Math.max(this.#anyAt, this.#at.get(table) ?? 0) > time;
  }
}
