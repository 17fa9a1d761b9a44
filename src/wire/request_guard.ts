import { StateError } from "../errors/state_error.ts";

/**
 * Tells whether the running request is the one that opened a connection.
 *
 * On Workers a socket belongs to the request that opened it; used by another
 * one through a driver, it hangs for ever. An `AbortSignal` belongs to its
 * request as well, but asking it throws at once. On other runtimes the answer
 * is always yes.
 */
export class RequestGuard {
  readonly #own = new AbortController().signal;

  /** The error of a foreign request; nothing in the own one. */
  refusal(): StateError | undefined {
    try {
      void this.#own.aborted;
      return undefined;
    } catch {
      return new StateError(
        "FOREIGN_REQUEST",
        "Cannot use the connection: another request of this Worker opened it; keep NullPool, the default, so that each request opens its own",
      );
    }
  }
}
