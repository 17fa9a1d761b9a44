import { mayWrite, type Statement } from "../driver/statement.ts";
import {
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
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
}

/**
 * Counts the writes among statements that are sent. In autocommit what may have
 * written counts as committed as well: it stays, if its answer is lost, too.
 *
 * @param stats Where they are counted.
 * @param statements What is sent.
 * @param options How they run.
 */
export function countWrites(
  stats: SessionStats,
  statements: readonly Statement[],
  options: TransactionOptions,
): void {
  const isLoose = isAutocommit(options);
  const writes = statements.filter(isLoose ? mayWrite : isWrite).length;
  stats.writes += writes;
  if (isLoose) stats.commits += writes;
}

function isWrite({ access }: Statement): boolean {
  return access === "write";
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
  };
}
