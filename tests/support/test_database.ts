import { type AdminClient, connectAdmin, type Row } from "./admin_client.ts";
import { type LoggedStatement, statementsOf } from "./server_log.ts";
import { sharedPostgres } from "./shared_postgres.ts";
import { waitFor } from "./wait_for.ts";

/** Options of `testDatabase`. */
export interface TestDatabaseOptions {
  /** SQL to run in the new database, one or more statements. */
  setup?: string;
}

/** A login role that is no superuser, so that row-level security binds it. */
export interface TestRole {
  /** Its name, unique on the server. */
  name: string;
  /** URL of the test database for this role. */
  url: string;
}

interface Server {
  url: string;
  logFile?: string;
}

const OTHERS = `from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend'
  and pid <> pg_backend_pid()`;

/**
 * Creates a database for one test, on the server that `NULLPOOL_TEST_URL`
 * names (the URL of a superuser), else on one of this test process.
 *
 * ```ts ignore
 * await using database = await testDatabase();
 * ```
 */
export async function testDatabase(
  options: TestDatabaseOptions = {},
): Promise<TestDatabase> {
  const external = Deno.env.get("NULLPOOL_TEST_URL");
  const server: Server = external === undefined
    ? await sharedPostgres()
    : { url: external };
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await using maintenance = await connectAdmin(server.url);
  await maintenance.query(
    `create database ${name} template template0 strategy file_copy`,
  );
  const admin = await connectAdmin(withDatabase(server.url, name));
  const database = new TestDatabase(server, name, admin);
  try {
    if (options.setup !== undefined) await admin.query(options.setup);
  } catch (error) {
    await database.drop();
    throw error;
  }
  return database;
}

/** A database of its own, and the server's view on who uses it. */
export class TestDatabase implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Its URL, for a superuser. */
  readonly url: string;
  readonly #server: Server;
  readonly #admin: AdminClient;
  readonly #roles: string[] = [];
  #dropped = false;

  /** Use `testDatabase`. */
  constructor(server: Server, name: string, admin: AdminClient) {
    this.name = name;
    this.url = withDatabase(server.url, name);
    this.#server = server;
    this.#admin = admin;
  }

  /** Runs SQL on a connection that the counts below leave out. */
  query(sql: string, params?: readonly unknown[]): Promise<Row[]> {
    return this.#admin.query(sql, params);
  }

  /** Counts the clients that are connected. */
  connections(): Promise<number> {
    return this.#count(`select count(*)::int as count ${OTHERS}`);
  }

  /** Counts the clients that are inside a transaction. */
  openTransactions(): Promise<number> {
    return this.#count(
      `select count(*)::int as count ${OTHERS} and xact_start is not null`,
    );
  }

  /** Ends every client's backend, waits until they are gone, counts them. */
  terminateAll(): Promise<number> {
    return this.#count(
      `select count(pg_terminate_backend(pid, 5000))::int as count ${OTHERS}`,
    );
  }

  /** Creates a role with a password, which goes when the database goes. */
  async createRole(): Promise<TestRole> {
    const name = `role_${crypto.randomUUID().replaceAll("-", "")}`;
    const url = new URL(this.url);
    url.username = name;
    url.password = crypto.randomUUID();
    await this.query(`create role ${name} login password '${url.password}'`);
    this.#roles.push(name);
    return { name, url: url.href };
  }

  /** The SQL that clients ran here, from the server's own log, in order. */
  async log(): Promise<string[]> {
    return (await this.statements()).map((statement) => statement.sql);
  }

  /** As `log`, with the backend and the transaction of each statement. */
  async statements(): Promise<LoggedStatement[]> {
    const { logFile } = this.#server;
    if (logFile === undefined) {
      throw new Error("The log of the server at NULLPOOL_TEST_URL is unknown");
    }
    const log = await Deno.readTextFile(logFile);
    const own = await this.#count("select pg_backend_pid() as count");
    return statementsOf(this.name, log)
      .filter((statement) => statement.backend !== own);
  }

  /** As the function of this name: polls until the predicate holds. */
  waitFor(
    predicate: () => boolean | Promise<boolean>,
    deadlineMs?: number,
  ): Promise<void> {
    return waitFor(predicate, deadlineMs);
  }

  /** Drops the database, open connections or not. */
  async drop(): Promise<void> {
    if (this.#dropped) return;
    this.#dropped = true;
    await this.#admin[Symbol.asyncDispose]();
    await using maintenance = await connectAdmin(this.#server.url);
    await maintenance.query(`drop database ${this.name} with (force)`);
    for (const role of this.#roles) {
      await maintenance.query(`drop role ${role}`);
    }
  }

  /** As `drop`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.drop();
  }

  async #count(sql: string): Promise<number> {
    const [row] = await this.query(sql);
    return Number(row?.count);
  }
}

function withDatabase(url: string, name: string): string {
  const result = new URL(url);
  result.pathname = `/${name}`;
  return result.href;
}
