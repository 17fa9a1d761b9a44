import { CPU_WORKLOADS } from "./beside_drizzle.ts";
import type { Mode } from "./peer.ts";
import { can, PEER_NAMES, peerEntry, type PeerName } from "./peer_list.ts";
import { type Distance, measuredOf, type Results } from "./results.ts";
import { WORKLOAD_NAMES, type WorkloadName } from "./workloads.ts";

const OWN = PEER_NAMES.filter((name) => peerEntry(name).kind === "own");
const OTHERS = PEER_NAMES.filter((name) => peerEntry(name).kind !== "own");

/** What noise alone does not explain. */
const MARGIN = 1.05;

/** A number of a peer; less is better. */
type Figure = (peer: PeerName) => number | undefined;

function best(
  peers: readonly PeerName[],
  figure: Figure,
): { peer: PeerName; value: number } | undefined {
  return peers
    .flatMap((peer) => {
      const value = figure(peer);
      return value === undefined || Number.isNaN(value)
        ? []
        : [{ peer, value }];
    })
    .toSorted((a, b) => a.value - b.value)[0];
}

/** Our best beside everybody who is better. */
function betterThan(
  name: string,
  figure: Figure,
  show: (value: number) => string,
): string[] {
  const own = best(OWN, figure);
  if (!own) return [];
  const better = OTHERS.flatMap((peer) => {
    const value = figure(peer);
    return value === undefined || value * MARGIN >= own.value
      ? []
      : [{ peer, value }];
  }).toSorted((a, b) => a.value - b.value);
  if (better.length === 0) return [];
  const list = better.map(({ peer, value }) =>
    `${peerEntry(peer).title} ${show(value)}`
  );
  return [`${name}: ${show(own.value)}, but ${list.join(", ")}`];
}

/**
 * Where a peer is better by more than noise, over any transport.
 *
 * @param results What was measured.
 * @returns A list in Markdown.
 */
export function betterPeers(results: Results): string {
  const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
  function time(mode: Mode, distance: Distance): string[] {
    return WORKLOAD_NAMES.flatMap((workload) =>
      betterThan(
        `${workload}, ${mode}, at ${distance} ms`,
        (peer) =>
          can(peer, workload)
            ? measuredOf(results, workload, mode, peer)?.at[distance]?.ms
            : undefined,
        ms,
      )
    );
  }
  function cpu(workload: WorkloadName, mode: Mode): string[] {
    return betterThan(
      `CPU of ${workload}, ${mode}, hot`,
      (peer) => measuredOf(results, workload, mode, peer)?.cpu?.hotMs,
      ms,
    );
  }
  const lines = [
    ...time("cold", 30),
    ...time("warm", 30),
    ...time("cold", 0),
    ...time("warm", 0),
    ...CPU_WORKLOADS.flatMap((workload) => cpu(workload, "cold")),
    ...CPU_WORKLOADS.flatMap((workload) => cpu(workload, "warm")),
    ...betterThan(
      "Peak memory of W1",
      (peer) => measuredOf(results, "W1", "cold", peer)?.peakBytes,
      (value) => `${(value / 1e6).toFixed(0)} MB`,
    ),
    ...betterThan(
      "Bundle, compressed",
      (peer) => results.sizes[peer]?.gzip,
      (value) => `${(value / 1_024).toFixed(0)} KiB`,
    ),
    ...betterThan(
      "Load",
      (peer) => measuredOf(results, "W1", "cold", peer)?.loadMs,
      ms,
    ),
  ];
  return lines.length === 0
    ? "Nowhere."
    : lines.map((line) => `- ${line}`).join("\n");
}
