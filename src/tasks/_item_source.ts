/** What items come from. */
export type Items<Item> = Iterable<Item> | AsyncIterable<Item>;

/** One item with its place in the input. */
export interface NumberedItem<Item> {
  /** The item. */
  readonly value: Item;
  /** Its place. */
  readonly index: number;
}

/**
 * Hands out items one at a time, each when it is asked for: a source is never
 * ahead of the workers.
 */
export class ItemSource<Item> {
  readonly #iterator: Iterator<Item> | AsyncIterator<Item>;
  #last: Promise<NumberedItem<Item> | undefined> = Promise.resolve(undefined);
  #handedOut = 0;
  #hasEnded = false;
  #isAsked = false;

  /** @param items Where they come from. */
  constructor(items: Items<Item>) {
    // A string is iterable, and no object that `in` could be asked of.
    this.#iterator = typeof items !== "string" && Symbol.asyncIterator in items
      ? items[Symbol.asyncIterator]()
      : items[Symbol.iterator]();
  }

  /**
   * The next item, or nothing at the end. The source is asked once at a time:
   * not every iterator bears more.
   */
  next(): Promise<NumberedItem<Item> | undefined> {
    this.#last = this.#last.catch(() => {}).then(() => this.#next());
    return this.#last;
  }

  /**
   * The next item, or nothing when the signal fires first: a slow source does
   * not keep a failed call from ending.
   *
   * @param signal Gives up waiting.
   */
  async nextUntil(
    signal: AbortSignal,
  ): Promise<NumberedItem<Item> | undefined> {
    // One promise for all items would keep all of them alive.
    let onAbort = () => {};
    const aborted = new Promise<undefined>((resolve) => {
      onAbort = () => resolve(undefined);
      signal.addEventListener("abort", onAbort);
    });
    try {
      return await Promise.race([this.next(), aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #next(): Promise<NumberedItem<Item> | undefined> {
    if (this.#hasEnded) return undefined;
    this.#hasEnded = true; // stays so when the source throws
    this.#isAsked = true;
    try {
      const { done, value } = await this.#iterator.next();
      if (done) return undefined;
      this.#hasEnded = false;
      return { value, index: this.#handedOut++ };
    } finally {
      this.#isAsked = false;
    }
  }

  /**
   * Ends the source before it has ended itself: it may have something to
   * close.
   */
  async end(): Promise<void> {
    const isPending = this.#isAsked;
    if (this.#hasEnded && !isPending) return;
    this.#hasEnded = true;
    const ending = Promise.resolve(this.#iterator.return?.());
    // One that is still asked for an item ends when it has answered.
    if (isPending) void ending.catch(() => {});
    else await ending;
  }
}

/** Whether items come from it, one by one. */
export function isIterable(value: unknown): boolean {
  if (typeof value === "string") return true;
  return typeof value === "object" && value !== null &&
    (Symbol.iterator in value || Symbol.asyncIterator in value);
}
