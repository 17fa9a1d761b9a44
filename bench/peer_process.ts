/** A process of its own for one peer, one workload and one mode. */
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
  /** Runs a request up to its answer. */
  | { kind: "run"; workload: WorkloadName; input: Input }
  /** Ends the request. */
  | { kind: "end" }
  /** Runs and ends requests, one after another, and looks at none of them. */
  | { kind: "heat"; workload: WorkloadName; inputs: readonly Input[] }
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

/** Requests that nobody has looked at. */
export interface Heated {
  /** How many. */
  readonly requests: number;
}

/** What the process has used. */
export interface Memory {
  /** Bytes, at the most. */
  readonly peakBytes: number;
}

/** What it answers. */
export type PeerAnswer = Prepared | Ran | Ended | Heated | Memory;

async function main(): Promise<void> {
  let open: (() => Promise<Store>) | undefined;
  let running: { store: Store; cpu: NodeJS.CpuUsage } | undefined;

  await answerLines<PeerQuestion>(async (question) => {
    switch (question.kind) {
      case "prepare": {
        const begun = performance.now();
        const peer = await loadPeer(question.peer);
        const loaded = performance.now();
        open = await peer.prepare(question.url, question.mode);
        const prepareMs = performance.now() - loaded;
        return { loadMs: loaded - begun, prepareMs } satisfies Prepared;
      }
      case "run": {
        if (!open) throw new TypeError("Nothing is prepared");
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
        const { user, system } = process.cpuUsage(cpu);
        return { cpuMs: (user + system) / 1_000 } satisfies Ended;
      }
      case "heat": {
        if (!open) throw new TypeError("Nothing is prepared");
        for (const input of question.inputs) {
          const store = await open();
          await WORKLOADS[question.workload].request(input)(store);
          await store.close();
        }
        return { requests: question.inputs.length } satisfies Heated;
      }
      case "memory":
        return { peakBytes: await peakBytes() } satisfies Memory;
    }
  });
  // Pools of the peers are left open.
  Deno.exit();
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
