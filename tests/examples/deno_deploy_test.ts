import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { dirname, join } from "node:path";
import { runProgram } from "../support/node.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import {
  type RunningProgram,
  startProgram,
} from "../support/running_program.ts";

const ROOT = dirname(dirname(import.meta.dirname ?? ""));
const config: { tasks: Record<string, { command: string }> } = JSON.parse(
  await Deno.readTextFile(join(ROOT, "deno.json")),
);

/** What the person who runs the tests has set is none of its business. */
const NO_SETTINGS = { DATABASE_URL: "", DATABASE_DRIVER: "" };

/** A task of `deno.json`: a program and what it is told. */
function task(name: string): [string, string[]] {
  const [program, ...args] = config.tasks[name]?.command.split(" ") ?? [];
  assertEquals(program, "deno");
  return [Deno.execPath(), args];
}

/** Runs a task to its end. */
async function run(name: string, env: Record<string, string>) {
  const [program, args] = task(name);
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: { ...NO_SETTINGS, NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** The started app, which says where it answers. */
class App implements AsyncDisposable {
  readonly url: string;
  readonly #program: RunningProgram;

  constructor(program: RunningProgram) {
    [this.url = ""] = program.groups;
    this.#program = program;
  }

  static async start(env: Record<string, string>): Promise<App> {
    const [program, args] = task("dev");
    return new App(
      await startProgram(program, args, {
        cwd: ROOT,
        env: { ...NO_SETTINGS, PORT: "0", ...env },
        ready: /^Order desk: (http:\S+)\/\n/m,
      }),
    );
  }

  /** Orders a piece; returns the path of the order. */
  async order(sku: string): Promise<string> {
    const response = await this.askFor(sku);
    assertEquals(response.status, 201, await response.text());
    return response.headers.get("location") ?? "";
  }

  /** Asks for a piece. */
  askFor(sku: string): Promise<Response> {
    return fetch(`${this.url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ customerId: 1, lines: [{ sku, quantity: 1 }] }),
    });
  }

  /** What was ordered. */
  async skus(path: string): Promise<string[]> {
    const { lines }: { lines: { sku: string }[] } =
      await (await fetch(this.url + path)).json();
    return lines.map(({ sku }) => sku);
  }

  /** Asks the app to stop, as Deno Deploy does, and returns its exit code. */
  stop(): Promise<number> {
    return this.#program.stop("SIGINT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

/** Runs what Deno Deploy is told to run before a revision, where it does. */
async function predeploy(env: Record<string, string>): Promise<number> {
  const directory = join(ROOT, "examples/deno-deploy");
  const { deploy } = JSON.parse(
    await Deno.readTextFile(join(directory, "deno.json")),
  );
  assertEquals(deploy.runtime.entrypoint, "main.ts");
  const [program, ...args] = deploy.predeploy.split(" ");
  assertEquals(program, "deno");
  // A task finds its `deno` on the PATH.
  const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;
  const { code } = await runProgram(Deno.execPath(), args, {
    cwd: directory,
    env: { ...NO_SETTINGS, PATH, ...env },
  });
  return code;
}

/** Runs the app, which is expected to give up; returns what it said. */
async function refusal(env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await run("dev", env);
  assertEquals([code, stdout], [1, ""]);
  return stderr;
}

Deno.test("deno task dev", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "order-desk-" });
  const ORDER_DESK_DATA = join(folder, "data");
  let path: string;
  try {
    {
      await using app = await App.start({ ORDER_DESK_DATA });

      await t.step("answers", async () => {
        path = await app.order("JAM");
        const page = await (await fetch(app.url)).text();
        assertStringIncludes(page, "Ada Lovelace");
      });

      await t.step("shows what it does in the inspector", async () => {
        const page = await (await fetch(`${app.url}/_nullpool`)).text();
        assertStringIncludes(page, "Nullpool inspector");
        const snapshot: { lanes: { request?: { route: string } }[] } =
          await (await fetch(`${app.url}/_nullpool/snapshot`)).json();
        const routes = snapshot.lanes.map(({ request }) => request?.route);
        assertEquals(routes, ["/orders", "/"]);
      });

      await t.step("a second one with the same data is refused", async () => {
        const message = await refusal({ PORT: "0", ORDER_DESK_DATA });
        assertMatch(message, /^Cannot open the data directory [^\n]*\n$/);
        assertStringIncludes(message, ORDER_DESK_DATA);
      });

      await t.step("a port that is in use is one line", async () => {
        const message = await refusal({
          PORT: new URL(app.url).port,
          ORDER_DESK_DATA: "memory://",
        });
        assertMatch(message, /^Cannot listen on port \d+: [^\n]*\n$/);
      });

      await t.step("ends when it is asked to", async () => {
        assertEquals(await app.stop(), 0);
        // The data directory, and no lock of it.
        const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
        assertEquals(left, ["data"]);
      });
    }

    await t.step("keeps its data when it starts again", async () => {
      await using app = await App.start({ ORDER_DESK_DATA });
      assertEquals(await app.skus(path), ["JAM"]);
      path = await app.order("BREAD");
      // The end of this block kills it.
    });

    await t.step("keeps its data when it was killed", async () => {
      await using app = await App.start({ ORDER_DESK_DATA });
      assertEquals(await app.skus(path), ["BREAD"]);
    });

    await t.step("a wrong port is one line", async () => {
      const message = await refusal({ PORT: "http", ORDER_DESK_DATA });
      assertEquals(
        message,
        "Cannot use PORT: it is a number from 0 to 65535\n",
      );
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what runs before a deployment prepares PostgreSQL for it", async () => {
  await using database = await testDatabase();
  const env = { DATABASE_URL: database.url };
  const both = await Promise.all([predeploy(env), predeploy(env)]);
  assertEquals(both, [0, 0]);

  await using app = await App.start(env);
  await app.order("JAM");
  assertEquals(
    await database.query("select sku, stock from products order by stock"),
    [
      { sku: "TRUFFLE", stock: 3 },
      { sku: "CHEESE", stock: 25 },
      { sku: "BREAD", stock: 40 },
      { sku: "JAM", stock: 59 },
    ],
  );
  await database.waitFor(async () => await database.connections() === 0);
  assertEquals(await app.stop(), 0);
});

Deno.test("deno task migrate says in one line what is wrong", async () => {
  const urls = {
    "postgres://app:geheim@127.0.0.1:1/orders":
      'Cannot connect to database "orders" at 127.0.0.1:1: ECONNREFUSED\n',
    "mysql://app:geheim@127.0.0.1/orders":
      "Cannot use the database URL: expected postgres://user:password@host/database\n",
  };
  for (const [DATABASE_URL, message] of Object.entries(urls)) {
    const { code, stderr } = await run("migrate", { DATABASE_URL });
    assertEquals([code, stderr], [1, message]);
  }
});

Deno.test("SIGINT disposes the engine within 5 seconds, also when a request never ends", async () => {
  await using database = await testDatabase();
  const env = { DATABASE_URL: database.url };
  assertEquals((await run("migrate", env)).code, 0);
  await using app = await App.start(env);
  await app.order("BREAD");

  // Somebody else holds a row for ever, and the request waits for it.
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  await db.execute("select 1 from products where sku = 'JAM' for update");
  const answer = app.askFor("JAM").then(
    (response) => response.body?.cancel(),
    () => {},
  );
  await database.waitFor(async () => await waiting(database) === 1);

  const begin = performance.now();
  assertEquals(await app.stop(), 0);
  const took = performance.now() - begin;
  assert(took < 5_000, `${took} ms`);
  await answer;
  // Of the app nothing is left on the server: one connection is the holder's.
  await database.waitFor(async () => await database.connections() === 1);
  assertEquals(await waiting(database), 0);
  await db.rollback();
  assertEquals(
    await database.query("select stock from products where sku = 'JAM'"),
    [{ stock: 60 }],
  );
});

/** Counts the clients that wait for a lock. */
async function waiting(database: TestDatabase): Promise<number> {
  const [row] = await database.query(
    `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return Number(row?.n);
}
