import { AsyncLocalStorage } from "node:async_hooks";
import { readFile } from "node:fs/promises";
import { env } from "node:process";
import { EdgeRuntime } from "edge-runtime";

/** Runs an edge function as Vercel does, on Node, and asks it once. */
async function main(): Promise<void> {
  const runtime = new EdgeRuntime({
    initialCode: await readFile(String(env.EDGE_FUNCTION), "utf8"),
    // The package leaves it out; the platform has it as a global.
    extend: (context) => Object.assign(context, { AsyncLocalStorage }),
  });
  const response = await runtime.dispatchFetch("http://localhost/", {
    method: "POST",
    body: JSON.stringify({
      NEON_URL: env.NEON_URL,
      REPORT_URL: env.REPORT_URL,
    }),
  });
  if (response.status !== 200) throw new Error(await response.text());
}

void main();
