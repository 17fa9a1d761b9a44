import type { ErrorCode } from "../errors/codes.ts";

/**
 * Where a session stands.
 *
 * `idle`: no transaction. `active`: one is open. `failed`: one is open and a
 * statement of it failed. `ended`: the transaction of the running `begin(fn)`
 * block ended before the block did. `closed`: for good.
 */
export type SessionState = "idle" | "active" | "failed" | "ended" | "closed";

/** What can be asked of a session. */
export type SessionCall =
  | "execute"
  | "begin"
  | "beginNested"
  | "commit"
  | "rollback"
  | "close";

/** Legal, or the error that refuses the call. */
type Verdict = "legal" | ErrorCode;

/** What a state says to calls that do work; `rollback` and `close` are always legal. */
const WORK: Readonly<Record<SessionState, Verdict>> = {
  idle: "legal",
  active: "legal",
  failed: "TRANSACTION_FAILED",
  ended: "TRANSACTION_ENDED",
  closed: "SESSION_CLOSED",
};

const REASONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  TRANSACTION_FAILED:
    "an earlier statement of this transaction failed; call rollback() first",
  TRANSACTION_ENDED:
    "the transaction of this block has ended; leave the block first",
  SESSION_CLOSED: "the session is closed; open another one",
};

/** Why a call is refused. */
export interface Refusal {
  /** The code of the error. */
  readonly code: ErrorCode;
  /** The present state and the cure. */
  readonly reason: string;
}

/**
 * Whether a call is legal in a state.
 *
 * @param state Where the session stands.
 * @param call What is asked.
 * @returns Nothing when it is legal, else why not.
 */
export function refusalOf(
  state: SessionState,
  call: SessionCall,
): Refusal | undefined {
  if (call === "rollback" || call === "close") return undefined;
  const verdict = WORK[state];
  if (verdict === "legal") return undefined;
  return { code: verdict, reason: REASONS[verdict] ?? verdict };
}
