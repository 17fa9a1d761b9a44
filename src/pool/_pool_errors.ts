import { PoolError } from "../errors/pool_error.ts";

/** The error of a checkout after `dispose`. */
export function disposedError(): PoolError {
  return new PoolError(
    "POOL_DISPOSED",
    "Cannot checkout connection: the pool was disposed",
  );
}

/** The error of a checkin that no checkout preceded. */
export function checkinError(): PoolError {
  return new PoolError(
    "POOL_CHECKIN",
    "Cannot checkin connection: this pool has not lent it, or has it back already",
  );
}
