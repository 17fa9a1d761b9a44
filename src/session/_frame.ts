import type { Savepoint } from "./savepoint.ts";

/** A nested block, or a savepoint without one, that has not ended. */
export interface Frame<Handle> {
  /** Through whom statements are accepted while it is the innermost. */
  readonly handle: Handle;
  /** None for a block that is the root transaction. */
  readonly savepoint: Savepoint | undefined;
}
