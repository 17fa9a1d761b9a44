import { Savepoint, type SavepointBefore } from "./savepoint.ts";

/** The open savepoints of a transaction, the innermost last. */
export class SavepointStack {
  readonly #savepoints: Savepoint[] = [];
  #count = 0;

  /** Whether there is none. */
  get isEmpty(): boolean {
    return this.#savepoints.length === 0;
  }

  /** Whether the server has one, to which a failure can be undone. */
  get canRecover(): boolean {
    return this.#savepoints.some(({ state }) => state === "open");
  }

  /** Those that the server has not heard of, the outermost first. */
  get unsent(): readonly Savepoint[] {
    return this.#savepoints.filter(({ state }) => state === "unsent");
  }

  /**
   * Opens one.
   *
   * @param before What was there before it.
   */
  push(before: SavepointBefore): Savepoint {
    const savepoint = new Savepoint(++this.#count, before);
    this.#savepoints.push(savepoint);
    return savepoint;
  }

  /**
   * Ends one, and those inside it.
   *
   * @returns Whether it was open.
   */
  pop(savepoint: Savepoint): boolean {
    const at = this.#savepoints.indexOf(savepoint);
    if (at >= 0) this.#savepoints.length = at;
    return at >= 0;
  }

  /**
   * Watches what is done now.
   *
   * @returns Tells whether no savepoint has undone it.
   */
  watch(): () => boolean {
    const around = [...this.#savepoints];
    return () => !around.some(({ isUndone }) => isUndone);
  }
}
