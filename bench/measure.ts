import type { Bed, PeerRun } from "./bed.ts";
import { inputsOf } from "./inputs.ts";
import { inTurn } from "./in_turn.ts";
import type { Mode } from "./peer.ts";
import type { PeerName } from "./peer_list.ts";
import type { Memory } from "./peer_process.ts";
import { type Cost, runRequest } from "./request.ts";
import {
  type Distance,
  DISTANCES,
  type Measured,
  median,
  type Series,
} from "./results.ts";
import type { WireCost } from "./round_trips.ts";
import type { WorkloadName } from "./workloads.ts";

/** What is measured side by side. */
export interface Unit {
  /** What. */
  readonly workload: WorkloadName;
  /** How connections are kept. */
  readonly mode: Mode;
  /** Who. */
  readonly peers: readonly PeerName[];
  /** How long it may take, in seconds, beside the start of the processes. */
  readonly seconds: number;
  /** Requests of each peer before anything is measured. */
  readonly warmUp: number;
}

/** Which part of a unit's time each distance gets. */
const SHARES: Readonly<Record<Distance, number>> = {
  0: 0.3,
  5: 0.15,
  30: 0.55,
};
const FEWEST = 3;
const MOST = 101;

/** A peer that still runs, and what it has cost. */
interface Runner {
  readonly run: PeerRun;
  readonly costs: Map<Distance, Cost[]>;
  firstMs: number;
  error?: string;
}

/**
 * Measures peers side by side: a process each, their requests alternating, so
 * that whatever the machine does meanwhile meets all of them.
 *
 * @param bed The database and the relays.
 * @param unit What is measured.
 */
export async function measure(
  bed: Bed,
  unit: Unit,
): Promise<Partial<Record<PeerName, Measured>>> {
  await using opened = new AsyncDisposableStack();
  const measured: Partial<Record<PeerName, Measured>> = {};
  const runners: Runner[] = [];
  await bed.setDistance(0);
  for (const name of unit.peers) {
    try {
      const { runs } = opened.use(await bed.start([name], unit.mode));
      for (const run of runs) {
        runners.push({ run, costs: new Map(), firstMs: 0 });
      }
    } catch (error) {
      measured[name] = failure(error);
    }
  }
  const requests = requestsOf(bed, unit);
  await warmUp(runners, requests, unit.warmUp);
  for (const distance of DISTANCES) {
    await bed.setDistance(distance);
    const until = performance.now() + unit.seconds * 1_000 * SHARES[distance];
    for (let round = 0; round < MOST; round++) {
      if (round >= FEWEST && performance.now() > until) break;
      for (const runner of inTurn(runners, round)) {
        const cost = await requests(runner, distance);
        const costs = runner.costs.get(distance) ?? [];
        runner.costs.set(distance, costs);
        if (cost) costs.push(cost);
      }
    }
  }
  for (const runner of runners) {
    measured[runner.run.name] = runner.error === undefined
      ? await summary(runner)
      : failure(runner.error);
  }
  return measured;
}

type Requests = (
  runner: Runner,
  distance: Distance,
) => Promise<Cost | undefined>;

/** Each request has a number of its own, and a peer that fails is left out. */
function requestsOf(bed: Bed, unit: Unit): Requests {
  const next = inputsOf(unit);
  return async (runner, roundTrip) => {
    if (runner.error !== undefined) return undefined;
    try {
      return await runRequest(bed.admin, runner.run, {
        workload: unit.workload,
        input: next(),
        roundTrip,
      });
    } catch (error) {
      runner.error = String(error);
      return undefined;
    }
  };
}

async function warmUp(
  runners: readonly Runner[],
  requests: Requests,
  count: number,
): Promise<void> {
  for (let round = 0; round < count; round++) {
    for (const runner of runners) {
      const cost = await requests(runner, 0);
      if (round === 0) runner.firstMs = cost?.ms ?? NaN;
    }
  }
}

async function summary(
  { run, costs, firstMs }: Runner,
): Promise<Measured> {
  const { peakBytes } = await run.ask<Memory>({ kind: "memory" });
  const at: Partial<Record<Distance, Series>> = {};
  for (const [distance, series] of costs) at[distance] = seriesOf(series);
  return {
    ...run.prepared,
    firstMs,
    peakBytes,
    at,
  };
}

function seriesOf(costs: readonly Cost[]): Series {
  const wires = costs.flatMap(({ wire }) => wire ?? []);
  function middle(field: keyof WireCost): number {
    return median(wires.map((wire) => wire[field]));
  }
  return {
    count: costs.length,
    ms: median(costs.map(({ ms }) => ms)),
    cpuMs: median(costs.map(({ cpuMs }) => cpuMs)),
    wire: wires.length === 0 ? undefined : {
      roundTrips: middle("roundTrips"),
      connections: middle("connections"),
      requests: middle("requests"),
      upgrades: middle("upgrades"),
    },
  };
}

function failure(error: unknown): Measured {
  return {
    error: String(error).slice(0, 500),
    loadMs: NaN,
    prepareMs: NaN,
    firstMs: NaN,
    peakBytes: NaN,
    at: {},
  };
}
