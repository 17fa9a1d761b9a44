import type { FlightResult, Statement } from "./statement.ts";

/**
 * One opened connection of a driver.
 *
 * It knows nothing of transactions: `begin` and `commit` are statements like
 * any other. One flight at a time; the session above sees to that.
 */
export interface Connection {
  /** Whether it can carry another flight; false once it broke or was closed. */
  readonly usable: boolean;

  /**
   * Whether the server has let it in; not there where that is known before it
   * is opened. What was never let in says nothing of others when it breaks.
   */
  readonly isLoggedIn?: boolean | undefined;

  /**
   * Sends statements as one flight: everything goes out before an answer is
   * awaited, with a single Sync behind it.
   *
   * It never rejects: a failing statement and a broken connection are both
   * told in the result.
   *
   * @param statements At least one.
   * @param onProgress Called when a part of the answer arrives, by drivers that
   * can tell.
   * @returns The results up to the first failure.
   */
  send(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult>;

  /**
   * Says goodbye without waiting for a running flight, which then fails: the
   * server is asked to cancel it, where that can be.
   *
   * @returns Settles when the connection is closed; nobody has to wait for
   * it. It never rejects.
   */
  close(): Promise<void>;
}
