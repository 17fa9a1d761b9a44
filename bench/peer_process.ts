/** A process of its own: most have one peer, one workload and one mode. */
import { answerLines } from "./line_process.ts";
import type { Mode, Store } from "./peer.ts";
import { loadPeer, type PeerName } from "./peer_list.ts";
import process from "node:process";
import { now } from "./relay.ts";
import { type Input, type WorkloadName, WORKLOADS } from "./workloads.ts";

/** What the process is asked for, one after another. */
export type PeerQuestion =
  /** Loads the peer. */
  | { kind: "prepare"; peer: PeerName; url: string; mode: Mode }
  /** Runs a request of a peer up to its answer. */
  | { kind: "run"; peer: PeerName; workload: WorkloadName; input: Input }
  /** Ends the request. */
  | { kind: "end" }
  /** Runs and ends requests, one after another, and looks at none of them. */
  | {
    kind: "burst";
    peer: PeerName;
    workload: WorkloadName;
    inputs: readonly Input[];
  }
  /** Memory. */
  | { kind: "memory" };

/** How long loading took. */
export interface Prepared {
  /** Milliseconds to load the peer's modules. */
  readonly loadMs: number;
  /** Milliseconds to set it up. */
  readonly prepareMs: number;
}

/** A request that has its answer. */
export interface Ran {
  /** Milliseconds from no session to the answer. */
  readonly ms: number;
  /** When the answer was there; see `now()`. */
  readonly answeredAt: number;
  /** The answer. */
  readonly answer: unknown;
}

/** A request that has ended. */
export interface Ended {
  /** Milliseconds of CPU that it has cost, its end included. */
  readonly cpuMs: number;
}

/** Requests that have ended, and nobody has looked at. */
export interface Burst {
  /** Milliseconds of CPU that all of them have cost. */
  readonly cpuMs: number;
}

/** What the process has used. */
export interface Memory {
  /** Bytes, at the most. */
  readonly peakBytes: number;
}

/** What it answers. */
export type PeerAnswer = Prepared | Ran | Ended | Burst | Memory;

async function main(): Promise<void> {
  const opening = new Map<PeerName, () => Promise<Store>>();
  let running: { store: Store; cpu: NodeJS.CpuUsage } | undefined;

  function openerOf(peer: PeerName): () => Promise<Store> {
    const open = opening.get(peer);
    if (!open) throw new TypeError("Nothing is prepared");
    return open;
  }

  await answerLines<PeerQuestion>(async (question) => {
    switch (question.kind) {
      case "prepare": {
        const begun = performance.now();
        const peer = await loadPeer(question.peer);
        const loaded = performance.now();
        opening.set(
          question.peer,
          await peer.prepare(question.url, question.mode),
        );
        const prepareMs = performance.now() - loaded;
        return { loadMs: loaded - begun, prepareMs } satisfies Prepared;
      }
      case "run": {
        const open = openerOf(question.peer);
        const request = WORKLOADS[question.workload].request(question.input);
        const cpu = process.cpuUsage();
        const begun = performance.now();
        const store = await open();
        const answer = await request(store);
        const ms = performance.now() - begun;
        const answeredAt = now();
        running = { store, cpu };
        return { ms, answeredAt, answer } satisfies Ran;
      }
      case "end": {
        if (!running) throw new TypeError("Nothing runs");
        const { store, cpu } = running;
        running = undefined;
        await store.close();
        return { cpuMs: cpuSince(cpu) } satisfies Ended;
      }
      case "burst": {
        const open = openerOf(question.peer);
        const cpu = process.cpuUsage();
        for (const input of question.inputs) {
          const store = await open();
          await WORKLOADS[question.workload].request(input)(store);
          await store.close();
        }
        return { cpuMs: cpuSince(cpu) } satisfies Burst;
      }
      case "memory":
        return { peakBytes: await peakBytes() } satisfies Memory;
    }
  });
  // Pools of the peers are left open.
  Deno.exit();
}

/** Milliseconds, of all threads. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** The resident set at its largest; Linux alone tells it. */
async function peakBytes(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(status) ?? [];
  return kilobytes === undefined
    ? Deno.memoryUsage().rss
    : Number(kilobytes) * 1_024;
}

if (import.meta.main) await main();
