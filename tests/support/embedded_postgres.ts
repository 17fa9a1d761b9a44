import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { postgresPrograms } from "./postgres_programs.ts";
import { freePort } from "./free_port.ts";

/** Whom the server runs as when we are root: it refuses to be root. */
const NOBODY = 65534;

const PORT_ATTEMPTS = 5;

const SETTINGS = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
max_prepared_transactions = 10
fsync = off
full_page_writes = off
max_wal_size = 128MB
log_statement = all
log_line_prefix = '%m [%p] %d %v '
`;

/** A server that was started. */
export interface EmbeddedPostgres {
  /** Superuser on the database `postgres`. */
  url: string;
  /** Process id of the server. */
  pid: number;
  /** Path of its log file. */
  logFile: string;
}

/**
 * Makes a cluster in a new folder below `parent` and starts PostgreSQL on it,
 * on a free port of 127.0.0.1.
 *
 * A password is asked for (SCRAM), so that a wrong one fails.
 *
 * @param parent Where the folder is made.
 * @param settings Lines of its configuration that come last.
 */
export async function startPostgres(
  parent: string,
  settings = "",
): Promise<EmbeddedPostgres> {
  const bin = join(await postgresPrograms(), "bin");
  const home = await Deno.makeTempDir({ dir: parent });
  if (Deno.uid() === 0) await Deno.chown(home, NOBODY, NOBODY);
  const data = join(home, "data");
  const logFile = join(home, "server.log");
  const password = crypto.randomUUID();

  await initdb(bin, data, password);
  await Deno.writeTextFile(
    join(data, "postgresql.auto.conf"),
    SETTINGS + settings,
  );
  const port = await startOnFreePort(bin, data, logFile);
  const [pid] = (await Deno.readTextFile(join(data, "postmaster.pid")))
    .split("\n");
  return {
    url: `postgres://nullpool:${password}@127.0.0.1:${port}/postgres`,
    pid: Number(pid),
    logFile,
  };
}

/**
 * Stops a server, or starts it again where it was.
 *
 * @param server The one.
 * @param action What to do; a stop ends its clients' sessions (57P01).
 */
export async function controlPostgres(
  { url, logFile }: EmbeddedPostgres,
  action: "stop" | "start" | "restart",
): Promise<void> {
  const bin = join(await postgresPrograms(), "bin");
  const starts = action === "stop"
    ? []
    : [`--log=${logFile}`, `--options=-p ${new URL(url).port}`];
  const { success } = await command(join(bin, "pg_ctl"), [
    action,
    "--wait",
    ...(action === "start" ? [] : ["--mode=fast"]),
    `--pgdata=${join(dirname(logFile), "data")}`,
    ...starts,
  ], "null");
  if (!success) throw new Error(`PostgreSQL did not ${action}`);
}

/**
 * Makes a hot standby of a server, and starts it. The server is down meanwhile.
 *
 * @param primary The one to follow.
 * @returns The standby, which replays what the primary writes.
 */
export async function startStandby(
  primary: EmbeddedPostgres,
): Promise<EmbeddedPostgres> {
  const home = dirname(primary.logFile);
  const standby = `${home}-standby`;
  await controlPostgres(primary, "stop");
  const { success, message } = await command(
    "cp",
    ["-a", home, standby],
    "piped",
  );
  if (!success) throw new Error(message);
  await controlPostgres(primary, "start");
  const data = join(standby, "data");
  const { port, password } = new URL(primary.url);
  await Deno.writeTextFile(
    join(data, "postgresql.auto.conf"),
    `primary_conninfo = 'host=127.0.0.1 port=${port} user=nullpool password=${password}'\n`,
    { append: true },
  );
  await Deno.writeTextFile(join(data, "standby.signal"), "");
  if (Deno.uid() === 0) {
    await Deno.chown(join(data, "standby.signal"), NOBODY, NOBODY);
  }
  await Deno.remove(join(data, "postmaster.pid")).catch(() => {});
  const logFile = join(standby, "standby.log");
  const bin = join(await postgresPrograms(), "bin");
  const own = new URL(primary.url);
  own.port = String(await startOnFreePort(bin, data, logFile));
  return { url: own.href, pid: 0, logFile };
}

async function initdb(bin: string, data: string, password: string) {
  const passwordFile = `${data}-password`;
  await Deno.writeTextFile(passwordFile, password);
  if (Deno.uid() === 0) await Deno.chown(passwordFile, NOBODY, NOBODY);
  const { success, message } = await command(join(bin, "initdb"), [
    `--pgdata=${data}`,
    "--username=nullpool",
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
  ], "piped");
  if (!success) throw new Error(`initdb failed: ${message}`);
}

async function startOnFreePort(
  bin: string,
  data: string,
  logFile: string,
): Promise<number> {
  // Another process can take the port between our look and the server's bind.
  for (let attempt = 1;; attempt++) {
    const port = freePort();
    // The server would keep a piped output open, and this call waiting.
    const { success } = await command(join(bin, "pg_ctl"), [
      "start",
      "--wait",
      `--pgdata=${data}`,
      `--log=${logFile}`,
      `--options=-p ${port}`,
    ], "null");
    if (success) return port;
    const said = await Deno.readTextFile(logFile);
    if (attempt === PORT_ATTEMPTS || !said.includes("could not bind")) {
      throw new Error(`PostgreSQL did not start: ${said}`);
    }
  }
}

/** Runs a program as the server's user; returns what it says if it fails. */
async function command(
  program: string,
  args: string[],
  stderr: "piped" | "null",
): Promise<{ success: boolean; message: string }> {
  const output = await new Deno.Command(program, {
    args,
    cwd: tmpdir(),
    // A locale that this machine lacks would stop initdb.
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr,
    ...(Deno.uid() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
  }).output();
  const message = stderr === "piped"
    ? new TextDecoder().decode(output.stderr)
    : "";
  return { success: output.success, message };
}
