import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";

/** How a session runs. */
export interface SessionCoreOptions {
  /** How transactions run that say nothing else. */
  readonly transaction: TransactionOptions;
  /**
   * Whether whoever opened the session owns every transaction of it, as if
   * each were begun by `begin()`: `transaction(fn)` is then a savepoint.
   */
  readonly atomic: boolean;
  /** The session as a pool sees it. */
  readonly holder: PoolHolder;
}
