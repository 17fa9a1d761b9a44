/** What a program left behind. */
export interface Outcome {
  /** Its status. */
  readonly code: number;
  /** What it wrote to standard output, and then to standard error. */
  readonly output: string;
}

/** Where, and with what, a program runs. */
export interface RunOptions {
  /** The folder it runs in. */
  readonly cwd?: string;
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it is killed. @default {120_000} */
  readonly deadlineMs?: number;
}

/**
 * Runs a program to its end. What `NODE_OPTIONS` says to this process is none
 * of its business.
 *
 * @param program Its path, or its name on the `PATH`.
 * @param args What it is told.
 * @param options Where it runs.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { cwd, env, deadlineMs = 120_000 } = options;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...(cwd !== undefined && { cwd }),
    env: { NO_COLOR: "1", NODE_OPTIONS: "", ...env },
    stdin: "null",
    signal: AbortSignal.timeout(deadlineMs),
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Whether there is Node: Deno alone is enough for all other tests. */
export async function hasNode(): Promise<boolean> {
  try {
    return (await runProgram("node", ["--version"])).code === 0;
  } catch {
    return false;
  }
}
