import { type Mode, MODES } from "./peer.ts";
import { OWN, type PeerName, type Transport, TRANSPORTS } from "./peer_list.ts";
import { measuredOf, type Results } from "./results.ts";
import type { WorkloadName } from "./workloads.ts";

/** Whether V8 has compiled most of what a request needs. */
export type Age = "young" | "hot";

/** CPU of this library beside Drizzle on the same driver. */
export interface CpuRatio {
  /** Over what. */
  readonly transport: Transport;
  /** Of what. */
  readonly workload: WorkloadName;
  /** In which mode. */
  readonly mode: Mode;
  /** Ours by theirs; nothing where it was not measured. */
  readonly ratio: number | undefined;
}

/** What CPU is compared on: what any application does. */
export const CPU_WORKLOADS: readonly WorkloadName[] = ["W1", "W2", "W3"];

/** Whose CPU is compared: ours, and that of Drizzle on the same driver. */
export const CPU_PAIRS: Readonly<
  Record<Transport, readonly [PeerName, PeerName]>
> = {
  http: [OWN.http, "drizzle-neon-http"],
  websocket: [OWN.websocket, "drizzle-neon-serverless"],
  tcp: [OWN.tcp, "drizzle-pg"],
};

/**
 * CPU of requests beside Drizzle on the same driver, transport by transport.
 *
 * @param results What was measured.
 * @param age Of what kind of process.
 */
export function cpuBesideDrizzle(results: Results, age: Age): CpuRatio[] {
  return TRANSPORTS.flatMap((transport) =>
    MODES.flatMap((mode) =>
      CPU_WORKLOADS.map((workload) => {
        const [own, other] = CPU_PAIRS[transport].map((peer) =>
          measuredOf(results, workload, mode, peer)?.cpu
        );
        const ratio = age === "hot"
          ? own?.hotRatio
          : own && other && own.youngMs / other.youngMs;
        return { transport, workload, mode, ratio };
      })
    )
  );
}
