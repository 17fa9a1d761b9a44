import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill } from "node:process";
import { type EmbeddedPostgres, startPostgres } from "./embedded_postgres.ts";
import { isOurs } from "./owned_path.ts";

const SHARED_MEMORY = "/dev/shm";
/** Bytes: a cluster, its log and the databases of some tests at once. */
const ENOUGH = 2 ** 30;

/**
 * The server of this test process, started by the first test file that asks.
 *
 * Test files share a process but no memory, so a locked folder that is named
 * after the process holds what they have to know. The server ends within a
 * second of the process, however that ends.
 */
export async function sharedPostgres(): Promise<EmbeddedPostgres> {
  const directory = join(
    await hasRoom(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(),
    `nullpool-server-${Deno.uid()}-${Deno.pid}`,
  );
  await Deno.mkdir(directory, { recursive: true, mode: 0o755 });
  await isOurs(directory);
  using lock = await Deno.open(join(directory, "lock"), {
    create: true,
    write: true,
  });
  const exclusive = true;
  await lock.lock(exclusive);

  const stateFile = join(directory, "state.json");
  const running = await readState(stateFile);
  if (running !== undefined) return running;

  const server = await startPostgres(directory);
  await stopAfterThisProcess(server.pid, directory);
  await Deno.writeTextFile(stateFile, JSON.stringify(server));
  return server;
}

/**
 * A database is some 300 files: created in memory in 10 ms, on a busy disk in
 * 200 ms. Containers often have but 64 MB of shared memory.
 */
async function hasRoom(directory: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize > ENOUGH;
  } catch {
    return false;
  }
}

async function readState(file: string): Promise<EmbeddedPostgres | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  // A process id comes round again: the folder may be an old one.
  const server: EmbeddedPostgres = JSON.parse(text);
  return isAlive(server.pid) ? server : undefined;
}

function isAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    return false;
  }
}

/**
 * Ends the server and removes its folder when the process `$1` is gone. One
 * that nobody has waited for is gone too, although `kill` still finds it.
 */
const WATCH = `
  while kill -0 "$1" && ! grep -qs "^State:.Z" "/proc/$1/status"; do
    sleep 1
  done
  kill -INT "$2"
  sleep 1
  rm -rf "$3"
`;

/**
 * Leaves a process behind that waits for this one to end. A shell that ends at
 * once starts it, because the resource sanitizer reports a running child of a
 * test. It has a session of its own, so that a signal to our process group
 * (Ctrl-C, `timeout`) spares it; `detached` has no effect on `output()`.
 */
async function stopAfterThisProcess(
  serverPid: number,
  directory: string,
): Promise<void> {
  const shell = new Deno.Command("sh", {
    args: [
      "-c",
      'sh -c "$@" >/dev/null 2>&1 </dev/null &',
      "sh",
      WATCH,
      "nullpool-watch",
      String(Deno.pid),
      String(serverPid),
      directory,
    ],
    detached: true,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { success } = await shell.status;
  if (!success) throw new Error("Cannot watch over the PostgreSQL server");
}
