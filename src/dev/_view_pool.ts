import type { PoolStatus } from "../pool/pool.ts";
import type { ViewElements } from "./_view_elements.ts";
import type { ViewElement } from "./_view_window.ts";
import type { ViewWords } from "./_view_words.ts";

/** Shows what the pool holds: a box for each connection. */
export class ViewPool {
  readonly #elements: ViewElements;
  readonly #words: ViewWords;
  #shown = "";

  /**
   * @param elements Makes elements.
   * @param words Says what they are.
   */
  constructor(elements: ViewElements, words: ViewWords) {
    this.#elements = elements;
    this.#words = words;
  }

  /**
   * Shows it.
   *
   * @param status What the pool holds.
   * @param capacity How many connections there can be, where there is a limit.
   */
  draw(status: PoolStatus, capacity: number | undefined): void {
    const shown = JSON.stringify([status, capacity]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const { checkedOut, idle, closing, waiting, waits, waitTime } = status;
    const free = Math.max(0, (capacity ?? 0) - checkedOut - idle - closing);
    const boxes: [string, number][] = [
      ["lent", checkedOut],
      ["closing", closing],
      ["kept", idle],
      ["free", free],
      ["waiting", waiting],
    ];
    const elements = this.#elements;
    elements.byId("slots").replaceChildren(
      ...boxes.flatMap(([kind, count]) => this.#boxes(kind, count)),
    );
    const limit = capacity === undefined ? "" : ` of ${capacity}`;
    const said = [
      `${checkedOut}${limit} in use`,
      idle > 0 && `${idle} idle`,
      closing > 0 && `${closing} closing`,
      waiting > 0 && `${waiting} waiting`,
      waits > 0 &&
      `${this.#words.count(waits, "wait")} so far, ${
        this.#words.time(waitTime / waits)
      } each`,
    ].filter((part) => part !== false);
    elements.say(elements.byId("pool-says"), said.join(" · "));
  }

  /** As many as there is room for. */
  #boxes(kind: string, count: number): ViewElement[] {
    return Array.from(
      { length: Math.min(count, 24) },
      () => this.#elements.make("i", { class: kind }),
    );
  }
}
