import { NullpoolError } from "./error.ts";

/**
 * A pool could not lend a connection, or was given one it had not lent.
 *
 * @example A disposed pool
 * ```ts
 * import { NullPool, PoolError } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = new NullPool(recordingDriver());
 * await pool.dispose();
 * await assertRejects(() => pool.checkout(), PoolError, "disposed");
 * ```
 */
export class PoolError extends NullpoolError {
  /** The name of the class. */
  override readonly name: string = "PoolError";
}
