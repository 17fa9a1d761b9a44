import type { PeerRun } from "./bed.ts";
import type { Burst, Ended, Ran } from "./peer_process.ts";
import { peerEntry } from "./peer_list.ts";
import { type WireCost, wireCost } from "./round_trips.ts";
import { type Admin, lookBefore, verify } from "./verify.ts";
import type { Input, WorkloadName } from "./workloads.ts";

/** What one request has cost. */
export interface Cost {
  /** Milliseconds from no session to the answer. */
  readonly ms: number;
  /** Milliseconds of CPU in the peer's process, the request's end included. */
  readonly cpuMs: number;
  /** At the wire; where there was no distance, nothing can be told. */
  readonly wire: WireCost | undefined;
}

/** What one request is. */
export interface Request {
  /** What it does. */
  readonly workload: WorkloadName;
  /** What it is given. */
  readonly input: Input;
  /** The distance that was set, in milliseconds. */
  readonly roundTrip: number;
}

/**
 * Runs one request of a peer, and checks in the database what it has done.
 *
 * @param admin A connection that is no peer's.
 * @param peer Whose request.
 * @param request The request.
 * @throws When the peer has failed, or has not done its work.
 */
export async function runRequest(
  admin: Admin,
  peer: PeerRun,
  { workload, input, roundTrip }: Request,
): Promise<Cost> {
  const before = await lookBefore(admin, input);
  if (peer.mode === "cold") await peer.forget();
  else await wake(peer, input);
  await peer.takeEvents();
  const { ms, answeredAt, answer } = await peer.ask<Ran>({
    kind: "run",
    peer: peer.name,
    workload,
    input,
  });
  const events = await peer.takeEvents();
  const { cpuMs } = await peer.ask<Ended>({ kind: "end" });
  await verify(admin, { workload, input, before, answer });
  const wire = roundTrip === 0
    ? undefined
    : wireCost(events, answeredAt, roundTrip);
  return { ms, cpuMs, wire };
}

/**
 * While others had their turn, what was kept may have been closed: servers and
 * pools do so after some seconds.
 */
async function wake(peer: PeerRun, input: Input): Promise<void> {
  await peer.ask<Ran>({
    kind: "run",
    peer: peer.name,
    workload: "W1",
    input,
  });
  await peer.ask<Ended>({ kind: "end" });
}

/**
 * Runs requests one after another, and looks at nothing but their CPU.
 *
 * @param peer Whose requests.
 * @param workload What they do.
 * @param inputs What they are given.
 * @returns Milliseconds of one, on average.
 */
export async function runAlone(
  peer: PeerRun,
  workload: WorkloadName,
  inputs: readonly Input[],
): Promise<number> {
  let sum = 0;
  for (const burst of burstsOf(peer, inputs)) {
    if (peer.mode === "cold") await peer.forget();
    const { cpuMs } = await peer.ask<Burst>({
      kind: "burst",
      peer: peer.name,
      workload,
      inputs: burst,
    });
    sum += cpuMs;
  }
  await peer.takeEvents();
  return sum / inputs.length;
}

/** What `fetch` has kept can be cut between requests only. */
function burstsOf(
  { name, mode }: PeerRun,
  inputs: readonly Input[],
): (readonly Input[])[] {
  const isCut = mode === "cold" && peerEntry(name).transport === "http";
  const size = isCut ? 1 : LONGEST;
  return Array.from(
    { length: Math.ceil(inputs.length / size) },
    (_, at) => inputs.slice(at * size, (at + 1) * size),
  );
}

/** A process has to answer in time, however slow the peer is. */
const LONGEST = 100;
