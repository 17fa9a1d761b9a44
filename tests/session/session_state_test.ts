import { assertEquals } from "@std/assert";
import {
  refusalOf,
  type SessionCall,
  type SessionState,
} from "../../src/session/session_state.ts";

const CALLS: readonly SessionCall[] = [
  "execute",
  "begin",
  "beginNested",
  "commit",
  "rollback",
  "close",
];

const TABLE: Readonly<Record<SessionState, readonly (string | undefined)[]>> = {
  idle: Array(6).fill(undefined),
  active: Array(6).fill(undefined),
  failed: [...Array(4).fill("TRANSACTION_FAILED"), undefined, undefined],
  ended: [...Array(4).fill("TRANSACTION_ENDED"), undefined, undefined],
  closed: [...Array(4).fill("SESSION_CLOSED"), undefined, undefined],
};

for (const [state, expected] of Object.entries(TABLE)) {
  Deno.test(`refusalOf() in state ${state}`, () => {
    const codes = CALLS.map((call) =>
      refusalOf(state as SessionState, call)?.code
    );
    assertEquals(codes, expected);
  });
}
