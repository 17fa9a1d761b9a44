/**
 * Who holds a connection, or waits for one: a session, a request, a task.
 *
 * A pool tells holders apart by identity; the name is for people. A parent is
 * whoever waits for this one to end, so that a pool can see that a checkout
 * would wait for itself.
 *
 * @example The task of a request
 * ```ts
 * import { type PoolHolder, StaticPool } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const request: PoolHolder = { name: "GET /orders" };
 * const task: PoolHolder = { name: "task 1", parent: request };
 * const pool = new StaticPool(recordingDriver());
 * const held = await pool.checkout({ holder: request });
 * await assertRejects(
 *   () => pool.checkout({ holder: task }),
 *   Error,
 *   '"task 1" would wait for the connection of "GET /orders"',
 * );
 * await pool.checkin(held);
 * await pool.dispose();
 * ```
 */
export interface PoolHolder {
  /** Named in errors, so without any value or secret. */
  readonly name: string;
  /** Who waits for this one to end. */
  readonly parent?: PoolHolder | undefined;
}

/**
 * A holder and its parents; a circle of parents ends.
 *
 * @param holder Where to begin.
 */
export function lineage(holder: PoolHolder | undefined): Set<PoolHolder> {
  const found = new Set<PoolHolder>();
  for (let each = holder; each && !found.has(each); each = each.parent) {
    found.add(each);
  }
  return found;
}
