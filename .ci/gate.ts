import { join } from "node:path";
import { chromiumProgram } from "../tests/support/chromium.ts";
import { ROOT } from "./project.ts";

/** A command of the gate: arguments of `deno`. */
interface Step {
  name: string;
  args: string[];
  /** Whether its output has totals of the test runner. */
  isTest?: boolean;
  /** Why it cannot be run here, if so. */
  obstacle?: () => string | undefined;
}

/** How many passed and failed: a test or a step counts one. */
export interface Totals {
  /** Those that passed. */
  passed: number;
  /** Those that failed. */
  failed: number;
}

const ALL_FILES = [".", ".ci"];

const STEPS: readonly Step[] = [
  { name: "fmt", args: ["fmt", "--check", ...ALL_FILES] },
  { name: "lint", args: ["lint", ...ALL_FILES] },
  { name: "check", args: ["check", ...ALL_FILES] },
  { name: "layout", args: script("check_layout.ts") },
  { name: "cycles", args: script("check_cycles.ts") },
  { name: "docs", args: script("check_docs.ts") },
  { name: "size", args: script("check_size.ts") },
  { name: "tests", args: ["task", "test"], isTest: true },
  {
    name: "examples",
    args: [
      "test",
      "-A",
      "--doc",
      "mod.ts",
      "src",
      "README.md",
      "examples/guides",
    ],
    isTest: true,
  },
  {
    name: "browser",
    args: ["task", "test:browser"],
    isTest: true,
    obstacle: () => chromiumProgram() ? undefined : "there is no Chromium",
  },
  { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"] },
];

function script(name: string): string[] {
  return ["run", "-A", join(".ci", name)];
}

/**
 * Adds up the summaries of the test runner, as `ok | 3 passed | 0 failed`. A
 * runner that failed without naming a failed test (a type error, a file that
 * throws) counts as one failed.
 */
export function testTotals(output: string, status: number): Totals {
  const summary = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/gm;
  const totals = { passed: 0, failed: 0 };
  for (const [, passed, failed] of output.matchAll(summary)) {
    totals.passed += Number(passed);
    totals.failed += Number(failed);
  }
  const isSilent = totals.failed === 0 && (status !== 0 || totals.passed === 0);
  return isSilent ? { ...totals, failed: 1 } : totals;
}

async function run(step: Step): Promise<Totals> {
  console.log(`\n--- ${step.name}: deno ${step.args.join(" ")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: step.args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, code }, stdout] = await Promise.all([
    child.status,
    copy(child.stdout, Deno.stdout),
    copy(child.stderr, Deno.stderr),
  ]);
  console.log(`--- ${step.name}: ${success ? "ok" : "FAILED"}`);
  if (step.isTest) return testTotals(stdout, code);
  return success ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function copy(
  from: ReadableStream<Uint8Array>,
  to: { write(bytes: Uint8Array): Promise<number> },
): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of from) {
    text += decoder.decode(chunk, { stream: true });
    for (let sent = 0; sent < chunk.length;) {
      sent += await to.write(chunk.subarray(sent));
    }
  }
  return text;
}

/**
 * Runs the gate, or the steps that are named.
 *
 * With `--test-log=FILE --test-status=N` the tests have run already, and with
 * `--totals=FILE` the totals are written there instead of printed: `.ci/run`.
 */
async function main(args: readonly string[]): Promise<void> {
  const options = new Map(
    args.filter((arg) => arg.startsWith("--")).map((arg) => {
      const [name = "", value = ""] = arg.split("=", 2);
      return [name, value];
    }),
  );
  const names = args.filter((arg) => !arg.startsWith("--"));
  const testLog = options.get("--test-log");
  const totals = { passed: 0, failed: 0 };
  function add({ passed, failed }: Totals): void {
    totals.passed += passed;
    totals.failed += failed;
  }

  if (testLog !== undefined) {
    const status = Number(options.get("--test-status"));
    add(testTotals(await Deno.readTextFile(testLog), status));
  }
  for (const step of STEPS) {
    if (step.name === "tests" && testLog !== undefined) continue;
    if (names.length > 0 && !names.includes(step.name)) continue;
    const obstacle = step.obstacle?.();
    if (obstacle === undefined) add(await run(step));
    else console.log(`\nskipped: ${step.name}: ${obstacle}`);
  }

  const line = `${totals.passed} passed, ${totals.failed} failed`;
  const file = options.get("--totals");
  if (file === undefined) console.log(`\n${line}`);
  else await Deno.writeTextFile(file, `${totals.passed} ${totals.failed}\n`);
  Deno.exitCode = totals.failed === 0 ? 0 : 1;
}

if (import.meta.main) await main(Deno.args);
