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

/** Milliseconds after which a take-over that did not end is nobody's. */
const TAKE_OVER_DEADLINE = 5_000;

/** Milliseconds between looks at somebody else's take-over. */
const TAKE_OVER_PAUSE = 20;

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
  const { default: process } = await import("node:process");
  const path = `${directory.replace(/[\\/]+$/, "")}.lock`;
  const self = { pid: process.pid, since: performance.timeOrigin };
  const text = JSON.stringify(self);
  // Written first and linked then: a lock is never seen half-made.
  const draft = `${path}.${crypto.randomUUID()}`;
  await fs.writeFile(draft, text);
  try {
    while (!await succeeds(() => fs.link(draft, path), "EEXIST")) {
      const found = await readText(path);
      const holder = parseHolder(found);
      if (holder !== undefined && isAlive(holder, self, process)) {
        throw new StateError(
          "DATABASE_IN_USE",
          `Cannot open the data directory "${directory}": process ${holder.pid} uses it (if there is no such process, delete "${path}")`,
        );
      }
      await removeStale(path, found);
    }
  } finally {
    await fs.rm(draft, { force: true });
  }
  return {
    async release() {
      if (await readText(path) === text) await fs.rm(path, { force: true });
    },
  };
}

/**
 * Removes a lock whose holder is gone. One process at a time: another one's
 * fresh lock must not be mistaken for the stale one and removed.
 */
async function removeStale(
  path: string,
  stale: string | undefined,
): Promise<void> {
  const fs = await import("node:fs/promises");
  const guard = `${path}.takeover`;
  if (await succeeds(() => fs.mkdir(guard), "EEXIST")) {
    try {
      if (stale !== undefined && await readText(path) === stale) {
        await fs.rm(path, { force: true });
      }
    } finally {
      await fs.rm(guard, { recursive: true, force: true });
    }
    return;
  }
  const age = await fs.stat(guard).then(({ mtimeMs }) => Date.now() - mtimeMs)
    .catch(() => 0);
  if (age > TAKE_OVER_DEADLINE) {
    await fs.rm(guard, { recursive: true, force: true });
  } else {
    await new Promise((resolve) => setTimeout(resolve, TAKE_OVER_PAUSE));
  }
}

/** Does something that another process may have done before. */
async function succeeds(
  attempt: () => Promise<unknown>,
  beaten: string,
): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    if (hasCode(error, beaten)) return false;
    throw error;
  }
}

async function readText(path: string): Promise<string | undefined> {
  const fs = await import("node:fs/promises");
  return await fs.readFile(path, "utf8").catch(() => undefined);
}

function isAlive(
  holder: Holder,
  self: Holder,
  process: { kill(pid: number, signal: 0): unknown },
): boolean {
  // A restarted container often gives its process the same number again.
  if (holder.pid === self.pid) return holder.since === self.since;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    const { pid, since } = JSON.parse(text ?? "");
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
