/**
 * Tells whether the request that holds something is still there.
 *
 * On Workers a request ends without a word, with its response, with what
 * `waitUntil` was given, or with its client: nothing of it runs any more, no
 * `finally` and no timer. What waits for a promise runs in the request that
 * made the promise, whoever resolves it, and not at all where that has ended
 * (workerd says so on the console, once): so the request is asked by one.
 */
export class Presence {
  #isAsked = false;
  #ask = () => {};

  /** Of the request that makes it. */
  constructor() {
    this.#listen();
  }

  /** Asks; whether the question before was answered. */
  look(): boolean {
    if (this.#isAsked) return false;
    this.#isAsked = true;
    this.#ask();
    return true;
  }

  #listen(): void {
    const asked = new Promise<void>((resolve) => this.#ask = resolve);
    void asked.then(() => {
      this.#isAsked = false;
      this.#listen();
    });
  }
}
