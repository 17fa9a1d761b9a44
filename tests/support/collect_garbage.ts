import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage, now. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

/** Makes V8 collect what is young, as it does all the time, and no more. */
export function collectYoungGarbage(): void {
  // `gc()` with options collects all where it was exposed late.
  for (let at = 0; at < 40_000; at++) new Array(200).fill(at);
}

/** Bytes in use after all garbage is gone. */
export function heapUsed(): number {
  collectGarbage();
  // What finalizers have let go of.
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}
