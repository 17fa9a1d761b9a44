import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage, now. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

/** Bytes in use after all garbage is gone. */
export function heapUsed(): number {
  collectGarbage();
  // What finalizers have let go of.
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}
