/**
 * Where the processes of a measurement run. A peer whose core the database uses
 * as well finds its caches full of what is not its own, the more the longer the
 * database works: its CPU would be a measure of that, too.
 */
export interface OwnCore extends AsyncDisposable {
  /**
   * Moves a process to the core that all others have left.
   *
   * @param pid Its process id.
   */
  give(pid: number): Promise<void>;
}

/**
 * Clears a core of some processes and their children, until it is disposed of:
 * by Linux's `taskset`. Elsewhere, or where there is but one core, nothing is
 * moved.
 *
 * @param roots Process ids.
 */
export async function clearCore(roots: readonly number[]): Promise<OwnCore> {
  const all = await allowedCores();
  const [own, ...others] = all;
  // To where it is anyway: whether anything can be moved at all.
  const canMove = others.length > 0 && await move(Deno.pid, all);
  if (own === undefined || !canMove) return NO_CORE;
  const moved = await withChildren(roots);
  for (const pid of moved) await move(pid, others);
  return {
    async give(pid) {
      await move(pid, [own]);
    },
    async [Symbol.asyncDispose]() {
      for (const pid of await withChildren(roots)) await move(pid, all);
    },
  };
}

const NO_CORE: OwnCore = {
  give: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/**
 * The process that has started another one; nothing where that cannot be told.
 *
 * @param pid Its process id.
 */
export async function parentOf(pid: number): Promise<number | undefined> {
  // The name before it may hold anything, spaces and brackets too.
  const stat = await readProc(`${pid}/stat`);
  const parent = /^.*\) \S (\d+) /s.exec(stat)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

async function allowedCores(): Promise<number[]> {
  const status = await readProc("self/status");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").filter(Boolean).flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
}

async function withChildren(roots: readonly number[]): Promise<number[]> {
  const found = new Set(roots);
  const parents = new Map<number, number | undefined>();
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name)) {
      parents.set(Number(name), await parentOf(Number(name)));
    }
  }
  // A set that grows is iterated to its new end.
  for (const root of found) {
    for (const [pid, parent] of parents) if (parent === root) found.add(pid);
  }
  return [...found];
}

/** Whether a process, with all its threads, could be moved. */
async function move(pid: number, cores: readonly number[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("taskset", {
      args: ["--all-tasks", "--cpu-list", "--pid", cores.join(), String(pid)],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Nothing of what has ended, and on systems without `/proc`. */
async function readProc(path: string): Promise<string> {
  return await Deno.readTextFile(`/proc/${path}`).catch(() => "");
}
