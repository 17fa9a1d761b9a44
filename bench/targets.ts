import { type Age, cpuBesideDrizzle } from "./beside_drizzle.ts";
import { type Mode, MODES } from "./peer.ts";
import {
  can,
  OWN,
  PEER_NAMES,
  peerEntry,
  type PeerName,
  type Transport,
  TRANSPORT_TITLES,
  TRANSPORTS,
} from "./peer_list.ts";
import { measuredOf, type Results } from "./results.ts";
import { WORKLOAD_NAMES, type WorkloadName, WORKLOADS } from "./workloads.ts";

/** What was promised, and what has come out. */
export interface Verdict {
  /** What was promised. */
  readonly target: string;
  /** What has come out. */
  readonly found: string;
  /** Nothing where it was not measured. */
  readonly isMet: boolean | undefined;
}

/**
 * Which transport a peer uses for a workload: `neon()` opens a WebSocket where
 * a transaction has to stay open.
 *
 * @param peer Which peer.
 * @param workload What it does.
 */
export function transportOf(
  peer: PeerName,
  workload: WorkloadName,
): Transport {
  const { transport } = peerEntry(peer);
  const { http } = WORKLOADS[workload].flights;
  return transport === "http" && http === undefined ? "websocket" : transport;
}

/** Round trips that open a connection, which no protocol can do without. */
const OPENING: Readonly<Record<Transport, number>> = {
  http: 1,
  websocket: 2,
  tcp: 2,
};

/**
 * The fewest round trips that a workload can be done in: what `README.md`
 * promises.
 *
 * @param workload What is done.
 * @param transport Over what.
 * @param mode Whether its connection has to be opened.
 * @returns Nothing where it cannot be done.
 */
export function limitOf(
  workload: WorkloadName,
  transport: Transport,
  mode: Mode,
): number | undefined {
  const { http, connection } = WORKLOADS[workload].flights;
  const flights = transport === "http" ? http : connection;
  if (flights === undefined) return undefined;
  return mode === "cold" ? flights + OPENING[transport] : flights;
}

/**
 * All that was promised.
 *
 * @param results What was measured.
 */
export function verdicts(results: Results): Verdict[] {
  return [
    noMoreRoundTrips(results),
    promisedRoundTrips(results),
    ...MODES.flatMap((mode) => [
      besideBest(results, { workload: "W1", mode }, 1.05),
      besideBest(results, { workload: "W2", mode }, 1.05),
      besideBest(results, { workload: "W6-1k", mode }, 1.3),
      besideBest(results, { workload: "W6-10k", mode }, 1.3),
    ]),
    ...(["W3", "W4", "W5", "W7"] as const).map((workload) =>
      besideOrms(results, workload, 0.6)
    ),
    cpuVerdict(results, "hot", "a process that is hot"),
    cpuVerdict(results, "young", "a process that is young"),
  ];
}

/**
 * Round trips of a peer.
 *
 * @param results What was measured.
 * @param workload Of what.
 * @param mode In which mode.
 * @param peer Of whom.
 */
export function roundTripsOf(
  results: Results,
  workload: WorkloadName,
  mode: Mode,
  peer: PeerName,
): number | undefined {
  return measuredOf(results, workload, mode, peer)?.at[30]?.wire?.roundTrips;
}

function othersOf(transport: Transport, workload: WorkloadName): PeerName[] {
  return PEER_NAMES.filter((name) =>
    peerEntry(name).kind !== "own" && can(name, workload) &&
    transportOf(name, workload) === transport
  );
}

function noMoreRoundTrips(results: Results): Verdict {
  const more: string[] = [];
  let compared = 0;
  for (const mode of MODES) {
    for (const workload of WORKLOAD_NAMES) {
      for (const transport of TRANSPORTS) {
        const own = roundTripsOf(results, workload, mode, OWN[transport]);
        for (const peer of othersOf(transport, workload)) {
          const other = roundTripsOf(results, workload, mode, peer);
          if (own === undefined || other === undefined) continue;
          compared++;
          if (own > other) {
            more.push(`${workload} ${mode}, ${peer}: ${own} to ${other}`);
          }
        }
      }
    }
  }
  return {
    target: "Never more round trips than a peer on the same transport",
    found: more.length === 0 ? `${compared} comparisons` : more.join("; "),
    isMet: compared === 0 ? undefined : more.length === 0,
  };
}

function promisedRoundTrips(results: Results): Verdict {
  const other: string[] = [];
  let compared = 0;
  for (const mode of MODES) {
    for (const workload of WORKLOAD_NAMES) {
      for (const peer of Object.values(OWN)) {
        const found = roundTripsOf(results, workload, mode, peer);
        if (found === undefined) continue;
        compared++;
        const limit = limitOf(workload, transportOf(peer, workload), mode);
        if (found !== limit) {
          other.push(`${workload} ${mode}, ${peer}: ${found}`);
        }
      }
    }
  }
  return {
    target: "The physical limit, cold and warm, on all transports",
    found: other.length === 0 ? `${compared} counts` : other.join("; "),
    isMet: compared === 0 ? undefined : other.length === 0,
  };
}

/** The fastest of some, at 30 ms. */
function fastest(
  results: Results,
  { workload, mode }: { workload: WorkloadName; mode: Mode },
  peers: readonly PeerName[],
): { peer: PeerName; ms: number } | undefined {
  return peers
    .flatMap((peer) => {
      const ms = measuredOf(results, workload, mode, peer)?.at[30]?.ms;
      return ms === undefined ? [] : [{ peer, ms }];
    })
    .toSorted((a, b) => a.ms - b.ms)[0];
}

function ratio(
  target: string,
  most: number,
  own: { peer: PeerName; ms: number } | undefined,
  other: { peer: PeerName; ms: number } | undefined,
): Verdict {
  if (!own || !other) return { target, found: "–", isMet: undefined };
  const quotient = own.ms / other.ms;
  return {
    target,
    found: `${quotient.toFixed(2)} (${amount(own.ms)}, ${
      peerEntry(other.peer).title
    } ${amount(other.ms)})`,
    isMet: quotient <= most,
  };
}

function amount(ms: number): string {
  return `${ms.toFixed(ms < 20 ? 2 : 0)} ms`;
}

function besideBest(
  results: Results,
  { workload, mode }: { workload: WorkloadName; mode: Mode },
  most: number,
): Verdict {
  const others = PEER_NAMES.filter((name) => peerEntry(name).kind !== "own");
  return ratio(
    `${workload} ${mode}, 30 ms: at most ${most} of the fastest of all`,
    most,
    fastest(results, { workload, mode }, Object.values(OWN)),
    fastest(results, { workload, mode }, others),
  );
}

/** Without those that have no transaction, and do with conditions by hand. */
function besideOrms(
  results: Results,
  workload: WorkloadName,
  most: number,
): Verdict {
  const orms = PEER_NAMES.filter((name) => {
    const { kind, transport, guarded } = peerEntry(name);
    return kind === "orm" && transport !== "tcp" && guarded === undefined;
  });
  return ratio(
    `${workload} cold, 30 ms: at most ${most} of the fastest ORM with transactions over Neon`,
    most,
    fastest(results, { workload, mode: "cold" }, [OWN.http]),
    fastest(results, { workload, mode: "cold" }, orms),
  );
}

/** Who is judged by each request is judged by all of them. */
function cpuVerdict(results: Results, age: Age, of: string): Verdict {
  const most = 1.1;
  const all = cpuBesideDrizzle(results, age).filter(({ ratio }) =>
    ratio !== undefined
  );
  const over = all.filter(({ ratio = 0 }) => ratio > most);
  const misses = over.map(({ transport, workload, mode, ratio = 0 }) =>
    `${workload} ${mode}, ${TRANSPORT_TITLES[transport]} ${ratio.toFixed(2)}`
  );
  const met = `${all.length - over.length} of ${all.length}`;
  return {
    target:
      `W1 to W3, CPU of ${of}: at most ${most} of Drizzle on the same driver`,
    found: [met, ...misses].join("; "),
    isMet: all.length === 0 ? undefined : over.length === 0,
  };
}
