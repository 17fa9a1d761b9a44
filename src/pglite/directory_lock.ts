import { StateError } from "../errors/state_error.ts";

/** A data directory held by this process. */
export interface DirectoryLock {
  /** Lets the next process in. */
  release(): Promise<void>;
}

/** Who holds a directory: the process and when its time began. */
interface Holder {
  readonly pid: number;
  readonly since: number;
}

/**
 * Takes a data directory for this process. PGlite itself does not: two
 * processes that open one directory both "succeed" and lose each other's rows.
 *
 * The lock is a file beside the directory; one left behind by a process that
 * is gone is taken over.
 *
 * @param directory The data directory.
 * @throws {StateError} When another process holds it, naming that process.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const fs = await import("node:fs/promises");
  const path = `${directory.replace(/[\\/]+$/, "")}.lock`;
  const self: Holder = {
    pid: (await import("node:process")).default.pid,
    since: performance.timeOrigin,
  };
  for (;;) {
    try {
      await fs.writeFile(path, JSON.stringify(self), { flag: "wx" });
      return { release: () => fs.rm(path, { force: true }) };
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const holder = parseHolder(await fs.readFile(path, "utf8").catch(() => ""));
    if (holder !== undefined && await isAlive(holder, self)) {
      throw new StateError(
        "DATABASE_IN_USE",
        `Cannot open the data directory "${directory}": process ${holder.pid} uses it (if there is no such process, delete "${path}")`,
      );
    }
    await fs.rm(path, { force: true });
  }
}

async function isAlive(holder: Holder, self: Holder): Promise<boolean> {
  // A restarted container often gives its process the same number again.
  if (holder.pid === self.pid) return holder.since === self.since;
  try {
    (await import("node:process")).default.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, since } = JSON.parse(text);
    return typeof pid === "number" && typeof since === "number"
      ? { pid, since }
      : undefined;
  } catch {
    return undefined;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
