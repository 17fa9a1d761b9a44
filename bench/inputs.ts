import type { Mode } from "./peer.ts";
import type { Input, WorkloadName } from "./workloads.ts";

/**
 * Makes inputs of which no two of a database are alike.
 *
 * @param unit What they are for.
 * @returns The next one with each call.
 */
export function inputsOf({ workload, mode }: {
  readonly workload: WorkloadName;
  readonly mode: Mode;
}): () => Input {
  const id = crypto.randomUUID().slice(0, 8);
  let number = 0;
  return () => {
    const input = { number, tag: `${workload} ${mode} ${id} ${number}` };
    number++;
    return input;
  };
}
