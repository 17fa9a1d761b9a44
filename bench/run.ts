/**
 * Measures this library beside what people would pick instead:
 * `deno task bench`, `deno task bench:full`.
 *
 * Options: `--full`, `--peers=a,b`, `--workloads=W1,W2`, `--modes=cold,warm`,
 * `--seconds=N` (what the whole may take), `--fresh` (forget what an
 * interrupted run has measured), `--report` (only write the report). A full run
 * that names less than all keeps what `results.json` has of the rest.
 */
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Bed, openBed } from "./bed.ts";
import { CPU_WORKLOADS } from "./beside_drizzle.ts";
import { measure, type Unit } from "./measure.ts";
import { measureCpu } from "./measure_cpu.ts";
import { type Mode, MODES } from "./peer.ts";
import { can, PEER_NAMES, peerEntry, type PeerName } from "./peer_list.ts";
import { generatePrisma } from "./prepare.ts";
import { terminalTables, writeReport } from "./report.ts";
import type { Measured, Results, Setting, UnitName } from "./results.ts";
import { settingOf } from "./setting.ts";
import { sizeOf } from "./sizes.ts";
import { WORKLOAD_NAMES, type WorkloadName } from "./workloads.ts";

/** What is to be measured. */
interface Plan {
  readonly isFull: boolean;
  readonly peers: readonly PeerName[];
  readonly workloads: readonly WorkloadName[];
  readonly modes: readonly Mode[];
  readonly seconds: number;
  /** Whether it is less than all. */
  readonly isNamed: boolean;
}

/** Without the processes' start. */
const SECONDS = { short: 70, full: 780 };
/** Bulk takes longer, and what is kept open takes less. */
const WEIGHTS: Readonly<Partial<Record<UnitName, number>>> = {
  "W5 cold": 1.5,
  "W6-1k cold": 1.2,
  "W6-10k cold": 4,
  "W6-10k warm": 4,
};
/** Requests before any is measured: a process that pools has answered some. */
const WARM_UP: Readonly<Record<Mode, number>> = { cold: 5, warm: 20 };

function planOf(args: readonly string[]): Plan {
  const isFull = args.includes("--full");
  function list<T extends string>(name: string, all: readonly T[]): T[] {
    const given = args.find((arg) => arg.startsWith(`--${name}=`));
    const names = given?.slice(name.length + 3).split(",");
    const stranger = names?.find((each) => !all.some((one) => one === each));
    if (stranger !== undefined) {
      throw new RangeError(
        `Cannot use --${name}: ${stranger} is none of ${all}`,
      );
    }
    return all.filter((each) => names?.includes(each) ?? true);
  }
  const usual = PEER_NAMES.filter((name) => isFull || peerEntry(name).isShort);
  const seconds = args.find((arg) => arg.startsWith("--seconds="))?.slice(10);
  const isPeers = args.some((arg) => arg.startsWith("--peers="));
  return {
    isFull,
    isNamed: args.some((arg) => /^--(peers|workloads|modes)=/.test(arg)),
    peers: list("peers", isPeers ? PEER_NAMES : usual),
    workloads: list(
      "workloads",
      isFull ? WORKLOAD_NAMES : WORKLOAD_NAMES.filter((n) => n !== "W6-10k"),
    ),
    modes: list("modes", isFull ? MODES : ["cold"]),
    seconds: Number(seconds ?? (isFull ? SECONDS.full : SECONDS.short)),
  };
}

/** What an interrupted run has left. */
function partialFile({ isFull }: Plan): string {
  const name = isFull ? "dist/full.json" : "dist/short.json";
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Where to go on: what is not known is measured. */
async function knownResults(plan: Plan, setting: Setting): Promise<Results> {
  const empty: Results = { setting, units: {}, sizes: {} };
  if (!plan.isFull) return empty;
  const partial = Deno.args.includes("--fresh")
    ? undefined
    : await readResults(partialFile(plan));
  if (partial) return partial;
  const written = plan.isNamed ? await readResults(RESULTS_FILE) : undefined;
  return written ? without(written, plan) : empty;
}

async function readResults(file: string): Promise<Results | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What is named is measured anew, and the rest stays. */
function without(results: Results, plan: Plan): Results {
  const units = { ...results.units };
  for (const { name } of unitsOf(plan)) {
    const rest = Object.entries(units[name] ?? {})
      .filter(([peer]) => !plan.peers.some((named) => named === peer));
    units[name] = Object.fromEntries(rest);
  }
  return { ...results, units };
}

function unitsOf({ modes, workloads }: Plan) {
  return modes.flatMap((mode) =>
    workloads.map((workload) => {
      const name: UnitName = `${workload} ${mode}`;
      return { name, mode, workload, weight: weight(workload, mode) };
    })
  );
}

async function write(plan: Plan, results: Results): Promise<void> {
  const file = partialFile(plan);
  await Deno.mkdir(dirname(file), { recursive: true });
  const draft = `${file}.draft`;
  await Deno.writeTextFile(draft, JSON.stringify(results, rounded, 1));
  await Deno.rename(draft, file);
}

/** To microseconds, which is more than was measured. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value;
}

async function runAll(plan: Plan): Promise<Results> {
  if (plan.peers.some((peer) => peer.startsWith("prisma"))) {
    await generatePrisma();
  }
  await using bed = await openBed();
  let results = await knownResults(plan, await settingOf(bed.admin));
  const units = unitsOf(plan);
  const total = units.reduce((sum, { weight }) => sum + weight, 0);
  for (const { name, mode, workload, weight } of units) {
    const known = results.units[name] ?? {};
    const peers = plan.peers.filter((peer) =>
      can(peer, workload) && (known[peer] === undefined ||
        known[peer].error !== undefined)
    );
    if (peers.length === 0) continue;
    const seconds = plan.seconds * weight / total;
    console.error(
      `${name}: ${peers.length} peers, ${Math.round(seconds)} seconds`,
    );
    const unit = { workload, mode, peers, seconds, warmUp: WARM_UP[mode] };
    const measured = { ...known, ...await measure(bed, unit) };
    if (plan.isFull && CPU_WORKLOADS.includes(workload)) {
      await addCpu(bed, unit, measured);
    }
    for (const [peer, { error }] of Object.entries(measured)) {
      if (error !== undefined) console.error(`${peer} has failed: ${error}`);
    }
    results = { ...results, units: { ...results.units, [name]: measured } };
    await write(plan, results);
  }
  return await withSizes(plan, results);
}

/** Those that have failed stay as they are. */
async function addCpu(
  bed: Bed,
  unit: Unit,
  measured: Partial<Record<PeerName, Measured>>,
): Promise<void> {
  const peers = unit.peers.filter((peer) =>
    measured[peer]?.error === undefined
  );
  for (const [peer, cpu] of await measureCpu(bed, { ...unit, peers })) {
    const times = measured[peer];
    if (times) measured[peer] = { ...times, cpu };
  }
}

function weight(workload: WorkloadName, mode: Mode): number {
  return WEIGHTS[`${workload} ${mode}`] ?? (mode === "cold" ? 1 : 0.5);
}

async function withSizes(plan: Plan, results: Results): Promise<Results> {
  if (!plan.isFull) return results;
  const sizes = { ...results.sizes };
  for (const peer of plan.peers) {
    if (sizes[peer] !== undefined) continue;
    console.error(`Bundling ${peer}`);
    const size = await sizeOf(peer);
    if (size) sizes[peer] = size;
  }
  const all = { ...results, sizes };
  await write(plan, all);
  return all;
}

async function main(): Promise<void> {
  // The package that brings PostgreSQL would end the process itself.
  process.removeAllListeners("beforeExit");
  const plan = planOf(Deno.args);
  const isReport = Deno.args.includes("--report");
  const results = isReport
    ? await readResults(RESULTS_FILE)
    : await runAll(plan);
  if (!results) throw new RangeError("Cannot report: there are no results");
  console.log(terminalTables(results));
  if (!plan.isFull && !isReport) return;
  const text = JSON.stringify(results, rounded, 1);
  await Deno.writeTextFile(RESULTS_FILE, `${text}\n`);
  // Of what was written, so that the page can be made of the file again.
  await writeReport(JSON.parse(text));
  // The next run begins anew.
  if (!isReport) await Deno.remove(partialFile(plan)).catch(() => {});
}

const RESULTS_FILE = fileURLToPath(new URL("results.json", import.meta.url));

if (import.meta.main) await main();
