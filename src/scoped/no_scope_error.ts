import { ScopeError } from "../errors/state_error.ts";

/** The error of whoever asks for a session outside any task. */
export function noScopeError(): ScopeError {
  return new ScopeError(
    "NO_SCOPE",
    "Cannot find a session: no scope is running; use scope.run(), or the dbSession middleware",
  );
}
