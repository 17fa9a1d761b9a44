import type { Bed } from "./bed.ts";
import { CPU_PAIRS } from "./beside_drizzle.ts";
import { inputsOf } from "./inputs.ts";
import { inTurn } from "./in_turn.ts";
import type { Unit } from "./measure.ts";
import type { PeerName } from "./peer_list.ts";
import { runAlone } from "./request.ts";
import { type Cpu, median } from "./results.ts";
import type { Input } from "./workloads.ts";

/** How much is run to know the CPU of some peers. */
interface Effort {
  /** What V8 compiles, and when, differs from process to process. */
  readonly youngProcesses: number;
  readonly hotProcesses: number;
  /** Requests by which V8 has compiled what one needs, or most of it. */
  readonly heating: number;
  /** A machine that is slow for a while is slow for all that take turns. */
  readonly bursts: number;
}

/** For a pair that a target compares. */
const PRECISE: Effort = {
  youngProcesses: 5,
  hotProcesses: 2,
  heating: 2_000,
  bursts: 20,
};
/** For all others: some are slow. */
const SHORT: Effort = {
  youngProcesses: 1,
  hotProcesses: 1,
  heating: 600,
  bursts: 4,
};
/** Requests that load what comes late. */
const FIRST = 5;
/** Requests of a young process, after those. */
const YOUNG = 20;
/** Requests in a row. */
const BURST = 25;

/** Milliseconds of CPU per request: of each process, or of each burst. */
type Samples = Map<PeerName, number[]>;

/** Makes what requests are given. */
type Inputs = (length: number) => Input[];

/** Peers that take turns. */
interface Group {
  readonly bed: Bed;
  readonly unit: Unit;
  readonly inputs: Inputs;
  /** Two of them are compared, the first with the second. */
  readonly peers: readonly PeerName[];
  readonly effort: Effort;
}

/**
 * Measures CPU and nothing else, at no distance.
 *
 * Of a pair that is compared, young processes take turns; hot requests do so in
 * bursts, in one process: no two processes are alike, nor any two seconds of a
 * machine. All other peers are measured alone.
 *
 * @param bed The database and the relays.
 * @param unit What is measured.
 */
export async function measureCpu(
  bed: Bed,
  unit: Unit,
): Promise<Map<PeerName, Cpu>> {
  await bed.setDistance(0);
  const next = inputsOf(unit);
  const inputs = (length: number) => Array.from({ length }, () => next());
  const pairs = Object.values(CPU_PAIRS).filter((pair) =>
    pair.every((peer) => unit.peers.includes(peer))
  );
  const others = unit.peers.filter((peer) => !pairs.flat().includes(peer));
  const groups = [
    ...others.map((peer) => ({ peers: [peer], effort: SHORT })),
    ...pairs.map((peers) => ({ peers, effort: PRECISE })),
  ];
  const found = new Map<PeerName, Cpu>();
  for (const { peers, effort } of groups) {
    const group = { bed, unit, inputs, peers, effort };
    const young = await measureYoung(group);
    const hot = await measureHot(group);
    for (const peer of peers) {
      found.set(peer, {
        youngMs: median(young.get(peer) ?? []),
        hotMs: median(hot.get(peer) ?? []),
        hotRatio: peer === peers[0] ? ratioOf(peers, hot) : undefined,
      });
    }
  }
  return found;
}

/** Of the first by the second, burst by burst; nothing of one alone. */
function ratioOf(
  peers: readonly PeerName[],
  hot: Samples,
): number | undefined {
  const [own = [], other] = peers.map((peer) => hot.get(peer));
  if (other === undefined) return undefined;
  return median(own.map((ms, at) => ms / (other[at] ?? NaN)));
}

async function measureYoung(
  { bed, unit: { workload, mode }, inputs, peers, effort }: Group,
): Promise<Samples> {
  const samples = samplesOf(peers);
  for (let round = 0; round < effort.youngProcesses; round++) {
    for (const peer of inTurn(peers, round)) {
      await using child = await bed.start([peer], mode);
      for (const run of child.runs) {
        await runAlone(run, workload, inputs(FIRST));
        const ms = await runAlone(run, workload, inputs(YOUNG));
        samples.get(peer)?.push(ms);
      }
    }
  }
  return samples;
}

async function measureHot(
  { bed, unit: { workload, mode }, inputs, peers, effort }: Group,
): Promise<Samples> {
  const samples = samplesOf(peers);
  for (let process = 0; process < effort.hotProcesses; process++) {
    await using child = await bed.start(inTurn(peers, process), mode);
    for (const run of child.runs) {
      await runAlone(run, workload, inputs(effort.heating));
    }
    for (let round = 0; round < effort.bursts; round++) {
      for (const run of inTurn(child.runs, round)) {
        const ms = await runAlone(run, workload, inputs(BURST));
        samples.get(run.name)?.push(ms);
      }
    }
  }
  return samples;
}

function samplesOf(peers: readonly PeerName[]): Samples {
  return new Map(peers.map((peer) => [peer, []]));
}
