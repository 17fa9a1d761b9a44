import type { Mode } from "./peer.ts";
import type { PeerName } from "./peer_list.ts";
import type { WireCost } from "./round_trips.ts";
import type { WorkloadName } from "./workloads.ts";

/** The distances that are measured, in milliseconds of a round trip. */
export const DISTANCES = [0, 5, 30] as const;

/** One of them. */
export type Distance = typeof DISTANCES[number];

/** Many requests at one distance. */
export interface Series {
  /** How many. */
  readonly count: number;
  /** Median of the milliseconds to the answer. */
  readonly ms: number;
  /** Median of the milliseconds of CPU. */
  readonly cpuMs: number;
  /** Median of what passed at the wire. */
  readonly wire: WireCost | undefined;
}

/** Milliseconds of CPU per request. */
export interface Cpu {
  /** Of the first ones of a process. */
  readonly youngMs: number;
  /** When V8 has compiled most of what they need. */
  readonly hotMs: number;
  /** By that of the peer that it is compared with, in the same process. */
  readonly hotRatio?: number | undefined;
}

/** A peer, on one workload in one mode. */
export interface Measured {
  /** Why there is nothing else. */
  readonly error?: string;
  /** Milliseconds to load its modules. */
  readonly loadMs: number;
  /** Milliseconds to set it up. */
  readonly prepareMs: number;
  /** Milliseconds of the first request, on this machine. */
  readonly firstMs: number;
  /** Bytes of memory at the most. */
  readonly peakBytes: number;
  /** CPU, where it was measured by itself. */
  readonly cpu?: Cpu | undefined;
  /** By distance. */
  readonly at: Readonly<Partial<Record<Distance, Series>>>;
}

/** A workload and a mode, as `W1 cold`. */
export type UnitName = `${WorkloadName} ${Mode}`;

/** What it was measured with. */
export interface Setting {
  /** Day. */
  readonly date: string;
  /** Of Deno. */
  readonly deno: string;
  /** Of the machine. */
  readonly machine: string;
  /** Of PostgreSQL. */
  readonly server: string;
  /** Of the packages. */
  readonly packages: readonly string[];
}

/** How large a peer is, bundled with its eight workloads and minified. */
export interface Size {
  /** Bytes. */
  readonly bytes: number;
  /** Bytes, compressed with gzip. */
  readonly gzip: number;
}

/** All that was measured. */
export interface Results {
  /** What with. */
  readonly setting: Setting;
  /** By workload and mode, then by peer. */
  readonly units: Partial<
    Record<UnitName, Partial<Record<PeerName, Measured>>>
  >;
  /** By peer. */
  readonly sizes: Partial<Record<PeerName, Size>>;
}

/**
 * What was measured of a peer.
 *
 * @param results All.
 * @param workload Of what.
 * @param mode In which mode.
 * @param peer Of whom.
 * @returns Nothing where there is nothing, or the peer has failed.
 */
export function measuredOf(
  results: Results,
  workload: WorkloadName,
  mode: Mode,
  peer: PeerName,
): Measured | undefined {
  const measured = results.units[`${workload} ${mode}`]?.[peer];
  return measured?.error === undefined ? measured : undefined;
}

/**
 * The middle of some numbers.
 *
 * @param values At least one.
 */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = sorted.length % 2 === 1
    ? [sorted[half], sorted[half]]
    : [sorted[half - 1], sorted[half]];
  return (low + high) / 2;
}
