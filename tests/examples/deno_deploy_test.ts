import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { testDatabase } from "../support/postgres.ts";

const ROOT = dirname(dirname(import.meta.dirname ?? ""));
const config: { tasks: Record<string, { command: string }> } = JSON.parse(
  await Deno.readTextFile(join(ROOT, "deno.json")),
);

/** A task of `deno.json` as a command, without anybody's settings. */
function task(name: string, env: Record<string, string>): Deno.Command {
  const [program, ...args] = config.tasks[name]?.command.split(" ") ?? [];
  assertEquals(program, "deno");
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { DATABASE_URL: "", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** The started app, which says where it answers. */
class App implements AsyncDisposable {
  readonly url: string;
  readonly #process: Deno.ChildProcess;
  readonly #rest: Promise<unknown>;

  constructor(url: string, process: Deno.ChildProcess, rest: Promise<unknown>) {
    this.url = url;
    this.#process = process;
    this.#rest = rest;
  }

  static async start(env: Record<string, string>): Promise<App> {
    const process = task("dev", { PORT: "0", ...env }).spawn();
    const errors = new Response(process.stderr).text();
    const reader = process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    let output = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The app ended: ${output} ${await errors}`);
      output += value;
      const [, url] = /^Order desk: (http:\S+)\/\n/m.exec(output) ?? [];
      if (url === undefined) continue;
      return new App(url, process, Promise.all([reader.cancel(), errors]));
    }
  }

  /** Orders a piece; returns the path of the order. */
  async order(sku: string): Promise<string> {
    const response = await fetch(`${this.url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ customerId: 1, lines: [{ sku, quantity: 1 }] }),
    });
    assertEquals(response.status, 201, await response.text());
    return response.headers.get("location") ?? "";
  }

  /** What was ordered. */
  async skus(path: string): Promise<string[]> {
    const { lines }: { lines: { sku: string }[] } =
      await (await fetch(this.url + path)).json();
    return lines.map(({ sku }) => sku);
  }

  /** Asks the app to stop, as Deno Deploy does, and returns its exit code. */
  async stop(): Promise<number> {
    this.#process.kill("SIGINT");
    await this.#rest;
    return (await this.#process.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#rest;
    await this.#process.status;
  }
}

/** Runs a task that is expected to give up; returns what it said. */
async function refusal(env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await task("dev", env).output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stdout)], [1, ""]);
  return decoder.decode(stderr);
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

Deno.test("deno task migrate prepares PostgreSQL for deno task dev", async () => {
  await using database = await testDatabase();
  const env = { DATABASE_URL: database.url };
  const both = await Promise.all([
    task("migrate", env).output(),
    task("migrate", env).output(),
  ]);
  assertEquals(both.map(({ code }) => code), [0, 0]);

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
    const { code, stderr } = await task("migrate", { DATABASE_URL }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [1, message]);
  }
});
