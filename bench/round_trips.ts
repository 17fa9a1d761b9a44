import type { WireEvent } from "./relay.ts";

/** What one request has cost at the wire. */
export interface WireCost {
  /** How often it has waited for the network, TCP's greeting included. */
  readonly roundTrips: number;
  /** TCP connections. */
  readonly connections: number;
  /** HTTP requests that were no upgrade. */
  readonly requests: number;
  /** WebSockets. */
  readonly upgrades: number;
}

/** Clocks of two processes, and timers, differ by no more of a round trip. */
const TOLERANCE = 0.15;

/**
 * Counts the round trips that an answer had to wait for: the longest chain of
 * what was sent at least a round trip apart, and as long before the answer.
 * Connections that are opened side by side count once; what is sent without
 * waiting, such as the farewell of a connection, counts not at all.
 *
 * @param events What a relay has seen.
 * @param answeredAt When the application had its answer.
 * @param roundTrip Milliseconds of a round trip; some, not none.
 */
export function wireCost(
  events: readonly WireEvent[],
  answeredAt: number,
  roundTrip: number,
): WireCost {
  const shortest = roundTrip * (1 - TOLERANCE);
  const seen = events.filter(({ at }) => at <= answeredAt);
  let roundTrips = 0;
  let last = -Infinity;
  const times = seen.map(({ at }) => at).toSorted((a, b) => a - b);
  for (const at of times) {
    if (at - last < shortest || answeredAt - at < shortest) continue;
    roundTrips++;
    last = at;
  }
  function count(kind: WireEvent["kind"]): number {
    return seen.filter((event) => event.kind === kind).length;
  }
  return {
    roundTrips,
    connections: count("connect"),
    requests: count("request"),
    upgrades: count("upgrade"),
  };
}
