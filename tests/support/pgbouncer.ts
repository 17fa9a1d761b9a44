import { freePort, listening } from "./free_port.ts";

/** A PgBouncer in transaction mode in front of a server. */
export interface PgBouncer extends AsyncDisposable {
  /** The URL of a database behind it. */
  urlOf(url: string): string;
}

/** Options of `startPgBouncer`. */
export interface PgBouncerOptions {
  /** How many connections it opens to a database. */
  readonly poolSize?: number;
  /** Where it listens; left out, somewhere. */
  readonly port?: number;
  /** Lines of its configuration that come last. */
  readonly settings?: string;
}

const PROGRAMS = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];

/** Where the program is, if it is installed. */
export async function pgbouncerProgram(): Promise<string | undefined> {
  for (const path of PROGRAMS) {
    try {
      await Deno.stat(path);
      return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/**
 * Starts a PgBouncer whose clients share few connections.
 *
 * @param program Where it is.
 * @param url The URL of a server, with the user and password that it takes.
 * @param options How it is configured.
 */
export async function startPgBouncer(
  program: string,
  url: string,
  { poolSize = 2, settings = "", port: own = freePort() }: PgBouncerOptions =
    {},
): Promise<PgBouncer> {
  const { hostname, port, username, password } = new URL(url);
  const folder = await Deno.makeTempDir({ prefix: "pgbouncer-" });
  await Deno.writeTextFile(
    `${folder}/users.txt`,
    `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`,
  );
  await Deno.writeTextFile(
    `${folder}/pgbouncer.ini`,
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = plain
auth_file = ${folder}/users.txt
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits,search_path
${settings}
`,
  );
  await Deno.chmod(folder, 0o755);
  const isRoot = Deno.uid() === 0;
  const server = new Deno.Command(program, {
    args: ["-q", `${folder}/pgbouncer.ini`],
    // It refuses to run as root.
    ...(isRoot && { uid: 65534, gid: 65534 }),
    stdout: "null",
    stderr: "null",
  }).spawn();
  await listening(own);
  return {
    urlOf(database) {
      const behind = new URL(database);
      behind.port = String(own);
      return behind.href;
    },
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
