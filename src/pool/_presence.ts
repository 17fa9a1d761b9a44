import { inThisRequest } from "../driver/in_this_request.ts";

/**
 * Looks that may go by without an answer. They are counted, and not their
 * time: while somebody computes for seconds nobody can answer, and the next
 * timer may well be ahead of the answer.
 */
const PATIENCE = 5;

/**
 * Tells whether the request that holds something is still there.
 *
 * On Workers a request ends without a word, with its response, with what
 * `waitUntil` was given, or with its client: nothing of it runs any more, no
 * `finally` and no timer. So it is asked for an answer that only it can give.
 *
 * A Durable Object cannot answer inside of its `blockConcurrencyWhile()`, and
 * seems to have gone there.
 */
export class Presence {
  /** Looks since it was asked; nothing if it has answered. */
  #unanswered = 0;
  /** Of the request that makes this. */
  #ask = inThisRequest(() => this.#answer());

  /** Asks; whether it is there, as long as that is in doubt as well. */
  look(): boolean {
    if (this.#unanswered === 0) this.#ask();
    return this.#unanswered++ < PATIENCE;
  }

  #answer(): void {
    this.#unanswered = 0;
    this.#ask = inThisRequest(() => this.#answer());
  }
}
