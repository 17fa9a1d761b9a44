import type { Bed } from "./bed.ts";
import { CPU_PAIRS } from "./beside_drizzle.ts";
import { inputsOf } from "./inputs.ts";
import { inTurn } from "./in_turn.ts";
import type { Unit } from "./measure.ts";
import type { PeerName } from "./peer_list.ts";
import { runAlone } from "./request.ts";
import { type Cpu, median } from "./results.ts";
import type { Input } from "./workloads.ts";

/** What V8 compiles, and when, differs from process to process. */
const YOUNG_PROCESSES = 5;
const HOT_PROCESSES = 2;
/** Requests that load what comes late. */
const FIRST = 5;
/** Requests of a young process, after those. */
const YOUNG = 20;
/** By then V8 has compiled what a request of a pair needs. */
const HEATING = 2_000;
/** For those that no target compares: some are slow. */
const SHORT_HEATING = 600;
/** A machine that is slow for a while is slow for both of a pair. */
const BURSTS = 20;
const BURST = 25;

/** Milliseconds of CPU per request: of each process, or of each burst. */
type Samples = Map<PeerName, number[]>;

/** Makes what requests are given. */
type Inputs = (length: number) => Input[];

/** How the CPU of some peers is measured. */
interface Cell {
  readonly bed: Bed;
  readonly unit: Unit;
  readonly inputs: Inputs;
}

/**
 * Measures CPU and nothing else, at no distance.
 *
 * Of a pair that is compared, young processes take turns; hot requests do so in
 * bursts, in one process: no two processes are alike, nor any two seconds of a
 * machine. All other peers have a process each.
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
  const cell = { bed, unit, inputs };
  const pairs = Object.values(CPU_PAIRS).filter((pair) =>
    pair.every((peer) => unit.peers.includes(peer))
  );
  const others = unit.peers.filter((peer) => !pairs.flat().includes(peer));
  const found = new Map<PeerName, Cpu>();
  for (const peer of others) {
    const [youngMs, hotMs] = await measureAlone(cell, peer);
    found.set(peer, { youngMs, hotMs });
  }
  for (const pair of pairs) {
    const young = await measureYoung(cell, pair);
    const hot = await measureHot(cell, pair);
    for (const peer of pair) found.set(peer, cpuOf(peer, pair, { young, hot }));
  }
  return found;
}

/** What is found of one of a pair, beside the other. */
function cpuOf(
  peer: PeerName,
  [own, other]: readonly [PeerName, PeerName],
  { young, hot }: { readonly young: Samples; readonly hot: Samples },
): Cpu {
  const middle = (samples: Samples) => median(samples.get(peer) ?? []);
  const times = { youngMs: middle(young), hotMs: middle(hot) };
  if (peer !== own) return times;
  const [mine = [], theirs = []] = [hot.get(own), hot.get(other)];
  const ratios = mine.map((ms, at) => ms / (theirs[at] ?? NaN));
  return { ...times, hotRatio: median(ratios) };
}

async function measureAlone(
  { bed, unit: { workload, mode }, inputs }: Cell,
  peer: PeerName,
): Promise<[youngMs: number, hotMs: number]> {
  await using child = await bed.start([peer], mode);
  const [run] = child.runs;
  if (!run) throw new TypeError("A process has no peer");
  await runAlone(run, workload, inputs(FIRST));
  const youngMs = await runAlone(run, workload, inputs(YOUNG));
  await runAlone(run, workload, inputs(SHORT_HEATING));
  return [youngMs, await runAlone(run, workload, inputs(4 * BURST))];
}

async function measureYoung(
  { bed, unit: { workload, mode }, inputs }: Cell,
  pair: readonly PeerName[],
): Promise<Samples> {
  const samples: Samples = new Map(pair.map((peer) => [peer, []]));
  for (let round = 0; round < YOUNG_PROCESSES; round++) {
    for (const peer of inTurn(pair, round)) {
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
  { bed, unit: { workload, mode }, inputs }: Cell,
  pair: readonly PeerName[],
): Promise<Samples> {
  const samples: Samples = new Map(pair.map((peer) => [peer, []]));
  for (let process = 0; process < HOT_PROCESSES; process++) {
    await using child = await bed.start(inTurn(pair, process), mode);
    for (const run of child.runs) {
      await runAlone(run, workload, inputs(HEATING));
    }
    for (let round = 0; round < BURSTS; round++) {
      for (const run of inTurn(child.runs, round)) {
        const ms = await runAlone(run, workload, inputs(BURST));
        samples.get(run.name)?.push(ms);
      }
    }
  }
  return samples;
}
