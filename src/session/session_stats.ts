/** What a session has cost so far. */
export interface SessionStats {
  /** Statements of the user that were sent. */
  statements: number;
  /** Flights: each is one wait for the server. */
  roundTrips: number;
  /** Connections borrowed. */
  connections: number;
  /** Milliseconds spent waiting for connections and answers. */
  duration: number;
}

/** The stats of a session that has done nothing. */
export function newStats(): SessionStats {
  return { statements: 0, roundTrips: 0, connections: 0, duration: 0 };
}
