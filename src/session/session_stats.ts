import type { Transport } from "../events/event.ts";

/** What a session has cost so far. */
export interface SessionStats {
  /** Statements of the user that were sent. */
  statements: number;
  /** Those of them that were issued as writes; in autocommit also selects that call a function which may write. */
  writes: number;
  /** Transactions that may have written and were, or may have been, committed; in autocommit, writes. */
  commits: number;
  /** Flights: each is one wait for the server. */
  roundTrips: number;
  /** Flights that were requests, without a connection. */
  requests: number;
  /** Connections borrowed. */
  connections: number;
  /** Milliseconds spent waiting for connections and answers. */
  duration: number;
  /** How statements travelled, flight by flight. */
  readonly transports: Record<Transport, number>;
  /** Why the last flight travelled as it did. */
  reason: string | undefined;
  /** How far the primary's log was behind the last commit that wrote, if that was asked for. */
  bookmark: string | undefined;
}

/** The stats of a session that has done nothing. */
export function newStats(): SessionStats {
  return {
    statements: 0,
    writes: 0,
    commits: 0,
    roundTrips: 0,
    requests: 0,
    connections: 0,
    duration: 0,
    transports: { "one-shot": 0, "batch": 0, "interactive": 0 },
    reason: undefined,
    bookmark: undefined,
  };
}
