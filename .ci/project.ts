import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of `deno.json`. */
export const ROOT = dirname(import.meta.dirname ?? "");

/** What a program left behind. */
export interface Outcome {
  /** Whether it ended with status 0. */
  success: boolean;
  /** What it wrote to standard output. */
  stdout: string;
  /** What it wrote to standard error. */
  stderr: string;
}

interface Config {
  exports: Record<string, string>;
  imports: Record<string, string>;
  tasks: Record<string, unknown>;
}

async function readConfig(): Promise<Config> {
  return JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
}

/** The `exports` of `deno.json`: names of entry points to absolute paths. */
export async function entryPoints(): Promise<Map<string, string>> {
  const entries = Object.entries((await readConfig()).exports);
  return new Map(entries.map(([name, file]) => [name, join(ROOT, file)]));
}

/** The packages that the import map of `deno.json` names. */
export async function packageNames(): Promise<string[]> {
  const names = Object.keys((await readConfig()).imports);
  return [...new Set(names.map((name) => name.replace(/\/$/, "")))];
}

/** The tasks of `deno.json`, as text. */
export async function taskText(): Promise<string> {
  return JSON.stringify((await readConfig()).tasks);
}

/** Runs this Deno in the project's folder, without colors. */
export async function runDeno(...args: string[]): Promise<Outcome> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    success,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** As `runDeno`, for output that is JSON; rejects when the program failed. */
export async function readDenoJson<T>(...args: string[]): Promise<T> {
  const { success, stdout, stderr } = await runDeno(...args);
  if (!success) throw new Error(`deno ${args.join(" ")} failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** A `file:` URL or a path, as a path from the project's folder. */
export function inProject(file: string): string {
  const path = file.startsWith("file:") ? fileURLToPath(file) : file;
  return path.startsWith(`${ROOT}/`) ? path.slice(ROOT.length + 1) : path;
}

/** Prints what a check found and ends the program accordingly. */
export function finish(problems: readonly string[], praise: string): never {
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(praise);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
