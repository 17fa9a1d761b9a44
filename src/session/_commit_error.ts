import type { WrappedFlight } from "../engine/engine_connection.ts";
import {
  CommitOutcomeError,
  ConnectionError,
} from "../errors/connection_error.ts";
import { DatabaseError } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";

/** Why a COMMIT did not commit, if it did not. */
export function commitError(flight: WrappedFlight): NullpoolError | undefined {
  const { failure } = flight;
  if (failure instanceof ConnectionError) {
    return new CommitOutcomeError(
      `The answer to COMMIT was lost: ${failure.message}`,
      { cause: failure },
    );
  }
  if (failure !== undefined) return failure;
  if (flight.results.at(-1)?.command !== "ROLLBACK") return undefined;
  return new DatabaseError(
    "COMMIT_ROLLED_BACK",
    "Cannot commit: the server answered COMMIT with ROLLBACK; nothing was saved",
    { sqlstate: "25P02" },
  );
}
