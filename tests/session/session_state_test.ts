import { assertEquals } from "@std/assert";
import {
  type SessionCall,
  type SessionState,
  type SessionTurn,
  stateAfter,
  verdictOn,
} from "../../src/session/session_state.ts";

const WORK: readonly SessionCall[] = [
  "execute",
  "begin",
  "beginNested",
  "release",
  "rollbackTo",
  "commit",
];
const TURNS: readonly SessionTurn[] = [
  "fail",
  "recover",
  "end",
  "endInBlock",
  "leaveBlock",
];

function outcome(state: SessionState, call: SessionCall): string {
  const verdict = verdictOn(state, call);
  return "next" in verdict ? verdict.next : verdict.refusal;
}

/** For each state: the outcome of all work, or of each call, and the turns that matter. */
const EXPECTED: Readonly<
  Record<SessionState, {
    work: string | readonly string[];
    rollback: SessionState;
    turns: Readonly<Partial<Record<SessionTurn, SessionState>>>;
  }>
> = {
  idle: {
    work: [
      ...Array<string>(3).fill("active"),
      ...Array<string>(2).fill("TRANSACTION_ENDED"),
      "idle",
    ],
    rollback: "idle",
    turns: {},
  },
  active: {
    work: [...Array<string>(5).fill("active"), "committing"],
    rollback: "rolling back",
    turns: { fail: "failed" },
  },
  failed: {
    work: [
      ...Array<string>(4).fill("TRANSACTION_FAILED"),
      "failed",
      "TRANSACTION_FAILED",
    ],
    rollback: "rolling back",
    turns: { recover: "active" },
  },
  committing: {
    work: "SESSION_BUSY",
    rollback: "committing",
    turns: { fail: "failed", end: "idle", endInBlock: "ended" },
  },
  "rolling back": {
    work: "SESSION_BUSY",
    rollback: "rolling back",
    turns: { end: "idle", endInBlock: "ended" },
  },
  ended: {
    work: "TRANSACTION_ENDED",
    rollback: "ended",
    turns: { leaveBlock: "idle" },
  },
  closed: { work: "SESSION_CLOSED", rollback: "closed", turns: {} },
};

for (const [name, expected] of Object.entries(EXPECTED)) {
  // The keys of a record of all states.
  const state = name as SessionState;
  Deno.test(`A session in state ${state}: every call`, () => {
    assertEquals(
      WORK.map((call) => outcome(state, call)),
      typeof expected.work === "string"
        ? WORK.map(() => expected.work)
        : expected.work,
    );
    assertEquals(outcome(state, "rollback"), expected.rollback);
    assertEquals(outcome(state, "close"), "closed");
  });
  Deno.test(`A session in state ${state}: whatever happens to it`, () => {
    for (const turn of TURNS) {
      assertEquals(
        stateAfter(state, turn),
        expected.turns[turn] ?? state,
        turn,
      );
    }
  });
}
