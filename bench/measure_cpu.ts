import type { Bed, PeerRun } from "./bed.ts";
import { CPU_PAIRS } from "./beside_drizzle.ts";
import { inputsOf } from "./inputs.ts";
import { inTurn } from "./in_turn.ts";
import type { Unit } from "./measure.ts";
import type { PeerName } from "./peer_list.ts";
import { heat, runAlone } from "./request.ts";
import { type Cpu, median } from "./results.ts";
import type { Input } from "./workloads.ts";

/**
 * Of each peer that is compared. What V8 compiles, and when, differs from
 * process to process, and by more than what is to be told.
 */
const PROCESSES = 3;
/** Requests that load what comes late. */
const FIRST = 5;
/** Requests of a young process, after those. */
const YOUNG = 20;
/** By then V8 has compiled most of what a request of any peer needs. */
const HEATING = 600;
const BURSTS = 4;
/** Requests in a row: the first ones of them find the caches of others. */
const BURST = 50;

/** The CPU of one process, in milliseconds. */
interface ProcessCpu {
  readonly young: number[];
  readonly hot: number[];
}

type Inputs = (length: number) => Input[];

/**
 * Measures CPU and nothing else, at no distance: the processes of a pair side by
 * side, several after another, and the median of them; then all other peers.
 *
 * @param bed The database and the relays.
 * @param unit What is measured.
 */
export async function measureCpu(
  bed: Bed,
  unit: Unit,
): Promise<Map<PeerName, Cpu>> {
  await bed.setDistance(0);
  const found = new Map<PeerName, ProcessCpu[]>();
  const next = inputsOf(unit);
  const inputs = (length: number) => Array.from({ length }, () => next());
  for (const group of groupsOf(unit.peers)) {
    for (const [peer, cpu] of await oneProcessEach(bed, unit, group, inputs)) {
      found.set(peer, [...found.get(peer) ?? [], cpu]);
    }
  }
  const all = Array.from(found, ([peer, processes]): [PeerName, Cpu] => {
    const middle = (age: keyof ProcessCpu) =>
      median(processes.map((cpu) => median(cpu[age])));
    return [peer, { youngMs: middle("young"), hotMs: middle("hot") }];
  });
  return new Map(all);
}

/** Who runs at the same time. */
function groupsOf(peers: readonly PeerName[]): PeerName[][] {
  const pairs = Object.values(CPU_PAIRS).map((pair) =>
    pair.filter((peer) => peers.includes(peer))
  );
  const others = peers.filter((peer) => !pairs.flat().includes(peer));
  return [...Array.from({ length: PROCESSES }, () => pairs).flat(), others];
}

async function oneProcessEach(
  bed: Bed,
  { workload, mode }: Unit,
  peers: readonly PeerName[],
  inputs: Inputs,
): Promise<Map<PeerName, ProcessCpu>> {
  await using opened = new AsyncDisposableStack();
  const runs: PeerRun[] = [];
  for (const peer of peers) runs.push(opened.use(await bed.start(peer, mode)));
  const cpu = new Map(peers.map((peer): [PeerName, ProcessCpu] => [
    peer,
    { young: [], hot: [] },
  ]));
  for (const run of runs) {
    await runAlone(run, workload, inputs(FIRST));
    const young = await runAlone(run, workload, inputs(YOUNG));
    cpu.get(run.name)?.young.push(...young);
  }
  for (const run of runs) await heat(run, workload, inputs(HEATING));
  for (let round = 0; round < BURSTS; round++) {
    for (const run of inTurn(runs, round)) {
      const burst = await runAlone(run, workload, inputs(BURST));
      const mean = burst.reduce((sum, ms) => sum + ms, 0) / BURST;
      cpu.get(run.name)?.hot.push(mean);
    }
  }
  return cpu;
}
