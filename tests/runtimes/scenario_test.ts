import { bundleWorker } from "../support/bundle_worker.ts";
import { runProgram } from "../support/node.ts";
import { aroundTests, startWorkerd } from "../support/workerd.ts";
import { runsScenario, runtimeBed } from "./runtime_bed.ts";

Deno.test("the scenario runs on Deno", () =>
  runsScenario(["neon", "postgres"], (options) =>
    runProgram(
      Deno.execPath(),
      ["run", "-A", "tests/runtimes/program.ts"],
      options,
    )));

Deno.test("the scenario runs on Deno with the network and its own variables alone", () =>
  runsScenario(["neon", "postgres"], (options) =>
    runProgram(
      Deno.execPath(),
      [
        "run",
        "--no-prompt",
        "--allow-net=127.0.0.1",
        "--allow-env=NEON_URL,POSTGRES_URL,REPORT_URL",
        "--ignore-env",
        "tests/runtimes/program.ts",
      ],
      options,
    )));

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
  bed.check(["neon", "postgres"]);
});
