import { assertEquals } from "@std/assert";
import { bundleWorker } from "../support/bundle_worker.ts";
import { runProgram } from "../support/node.ts";
import { aroundTests, startWorkerd } from "../support/workerd.ts";
import { runtimeBed } from "./runtime_bed.ts";

Deno.test("the scenario runs on Deno", async () => {
  await using bed = await runtimeBed();
  assertEquals(
    await runProgram(
      Deno.execPath(),
      ["run", "-A", "tests/runtimes/program.ts"],
      { env: bed.env },
    ),
    { code: 0, output: "" },
  );
  bed.check("neon", "postgres");
});

const shared = aroundTests(async () => {
  const contents = await bundleWorker("tests/runtimes/scenario_worker.ts", {
    tcp: true,
  });
  const bed = await runtimeBed();
  const worker = await startWorkerd(contents, {
    compatibilityFlags: ["nodejs_compat"],
    bindings: bed.env,
  });
  return {
    bed,
    worker,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await bed[Symbol.asyncDispose]();
    },
  };
});

Deno.test("the scenario runs on workerd", async () => {
  const { bed, worker } = shared();
  const response = await worker.fetch("/");
  await response.body?.cancel();
  bed.check("neon", "postgres");
});
