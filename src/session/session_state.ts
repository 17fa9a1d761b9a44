import type { ErrorCode } from "../errors/codes.ts";

/**
 * Where a session stands.
 *
 * `idle`: no transaction. `active`: one is open. `failed`: one is open and a
 * statement of it failed. `committing`, `rolling back`: its end is under way.
 * `ended`: the transaction of the running `begin(fn)` block ended before the
 * block did. `closed`: for good.
 */
export type SessionState =
  | "idle"
  | "active"
  | "failed"
  | "committing"
  | "rolling back"
  | "ended"
  | "closed";

/** What can be asked of a session. */
export type SessionCall =
  | "execute"
  | "begin"
  | "beginNested"
  | "release"
  | "rollbackTo"
  | "commit"
  | "rollback"
  | "close";

/**
 * What happens to a session. `fail`: a statement failed; `recover`: a savepoint
 * was rolled back, and the failure with it; `end`: the transaction has ended;
 * `endInBlock`: the same, inside the `begin(fn)` block that owns it;
 * `leaveBlock`: that block has ended, too.
 */
export type SessionTurn =
  | "fail"
  | "recover"
  | "end"
  | "endInBlock"
  | "leaveBlock";

/** Where each call leads, or the error that refuses it; turns that change nothing are left out. */
type Row =
  & Readonly<Record<SessionCall, SessionState | ErrorCode>>
  & Readonly<Partial<Record<SessionTurn, SessionState>>>;

const ENDINGS = { end: "idle", endInBlock: "ended" } as const;

const TABLE: Readonly<Record<SessionState, Row>> = {
  idle: {
    execute: "active",
    begin: "active",
    beginNested: "active",
    release: "TRANSACTION_ENDED",
    rollbackTo: "TRANSACTION_ENDED",
    commit: "idle",
    rollback: "idle",
    close: "closed",
  },
  active: {
    execute: "active",
    begin: "active",
    beginNested: "active",
    release: "active",
    rollbackTo: "active",
    commit: "committing",
    rollback: "rolling back",
    close: "closed",
    fail: "failed",
  },
  failed: {
    ...refuseWork("TRANSACTION_FAILED"),
    rollbackTo: "failed",
    rollback: "rolling back",
    close: "closed",
    recover: "active",
  },
  committing: {
    ...refuseWork("SESSION_BUSY"),
    // It waits for the answer, and then rolls back what a failure has left.
    rollback: "committing",
    close: "closed",
    fail: "failed",
    ...ENDINGS,
  },
  "rolling back": {
    ...refuseWork("SESSION_BUSY"),
    rollback: "rolling back",
    close: "closed",
    ...ENDINGS,
  },
  ended: {
    ...refuseWork("TRANSACTION_ENDED"),
    rollback: "ended",
    close: "closed",
    leaveBlock: "idle",
  },
  closed: {
    ...refuseWork("SESSION_CLOSED"),
    rollback: "closed",
    close: "closed",
  },
};

function refuseWork(code: ErrorCode) {
  return {
    execute: code,
    begin: code,
    beginNested: code,
    release: code,
    rollbackTo: code,
    commit: code,
  } as const;
}

/** Where a call leads, or the error that refuses it. */
export type Verdict =
  | { readonly next: SessionState }
  | { readonly refusal: ErrorCode };

/**
 * What a state says to a call.
 *
 * @param state Where the session stands.
 * @param call What is asked.
 * @returns The next state, or the code of the error.
 */
export function verdictOn(state: SessionState, call: SessionCall): Verdict {
  const entry = TABLE[state][call];
  return isState(entry) ? { next: entry } : { refusal: entry };
}

/**
 * Where a session stands after something has happened to it.
 *
 * @param state Where it stood.
 * @param turn What happened.
 * @returns Where it stands.
 */
export function stateAfter(
  state: SessionState,
  turn: SessionTurn,
): SessionState {
  return TABLE[state][turn] ?? state;
}

function isState(entry: SessionState | ErrorCode): entry is SessionState {
  return Object.hasOwn(TABLE, entry);
}
