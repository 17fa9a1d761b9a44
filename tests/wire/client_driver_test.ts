import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { sql } from "drizzle-orm";
import pg from "pg";
import {
  ConnectionError,
  createEngine,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neonWebSocket } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { LazyTarget } from "../../src/driver/url.ts";
import { command, type Statement } from "../../src/driver/statement.ts";
import type { WireClient } from "../../src/wire/client.ts";
import { clientDriver } from "../../src/wire/client_driver.ts";
import { testDatabase } from "../support/postgres.ts";

function never(): Promise<string> {
  return new Promise(() => {});
}

for (const driverOf of [postgres, neonWebSocket]) {
  const { name } = driverOf;

  Deno.test(`${name}() gives up on a URL that never comes`, async () => {
    await using engine = createEngine(driverOf(never, { connectTimeout: 20 }));
    await using db = sessionmaker(engine)();
    const error = await assertRejects(
      () => db.execute("select 1"),
      ConnectionError,
      "no answer for 20 ms",
    );
    assertEquals(error.code, "CONNECT_FAILED");
    assertEquals(engine.status().checkedOut, 0);
  });

  Deno.test(`${name}() a session is closed while its URL is asked for`, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const driver = driverOf(() => {
      ask();
      return never();
    }, { connectTimeout: 0 });
    await using engine = createEngine(driver);
    const db = sessionmaker(engine)();
    const refused = assertRejects(() => db.execute("select 1"), StateError);
    await asked;
    await db.close();
    assertEquals((await refused).code, "TRANSACTION_ENDED");
    await db.closed;
    assertEquals(engine.status().checkedOut, 0);
  });

  Deno.test(`${name}() asks for no URL when it was aborted before`, async () => {
    let asked = 0;
    const driver = driverOf(() => {
      asked++;
      return never();
    }, { connectTimeout: 0 });
    const signal = AbortSignal.abort(new Error("gone"));
    await assertRejects(() => driver.connect({ signal }), Error, "gone");
    assertEquals(asked, 0);
  });
}

Deno.test("clientDriver() a type parser that throws leaves the connection usable", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id int primary key)",
  });
  const driver = clientDriver({
    name: "parsing",
    target: new LazyTarget("parsing", database.url, []),
    connectTimeout: 10_000,
    // 25 is the OID of text.
    pieceSize: Infinity,
    parserOf: (oid) => (text) => {
      if (oid === 25) throw new Error(`Cannot parse ${text}`);
      return text;
    },
    makeClient: () => new pg.Client(database.url),
  });
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  await db.execute("insert into notes values (1)");
  const error = await assertRejects(
    () =>
      db.transaction(async (tx) => {
        await tx.execute("insert into notes values (2)");
        await tx.execute(sql`select ${"marker"}::text`);
      }),
    StateError,
  );
  assertEquals(error.code, "ANSWER_UNREADABLE");
  const told = [Deno.inspect(error), error.stack, JSON.stringify(error)];
  assertFalse(told.join().includes("marker"), told.join());
  assert(db.isActive);
  await db.commit();
  assertEquals(db.stats.connections, 1);
  assertEquals(await database.query("select id from notes"), [{ id: 1 }]);
});

Deno.test("clientDriver() has a command written by its first client only", async () => {
  await using database = await testDatabase();
  const written: string[][] = [];
  const driver = clientDriver({
    name: "noting",
    target: new LazyTarget("noting", database.url, []),
    connectTimeout: 10_000,
    pieceSize: Infinity,
    parserOf: () => (text) => text,
    makeClient() {
      const client: WireClient = new pg.Client(database.url);
      const texts: string[] = [];
      written.push(texts);
      const { connection } = client;
      const { parse } = connection;
      connection.parse = (message) => {
        texts.push(message.text);
        return parse.call(connection, message);
      };
      return client;
    },
  });
  const read: Statement = { ...command("select 1"), rowMode: "array" };
  for (let times = 0; times < 2; times++) {
    const connection = await driver.connect();
    const { results } = await connection.send([
      command("begin"),
      read,
      command("commit"),
    ]);
    const done = results.map(({ command }) => command);
    assertEquals(done, ["BEGIN", "SELECT", "COMMIT"]);
    await connection.close();
  }
  assertEquals(written, [["begin", "select 1", "commit"], ["select 1"]]);
});

/** What the packages would take from the environment. */
const AMBIENT = {
  PGOPTIONS: "-c search_path=elsewhere",
  PGAPPNAME: "ambient",
  PGREPLICATION: "database",
  PGSSLMODE: "require",
  PGSSLNEGOTIATION: "direct",
};

/** Says what the server has been told by each driver, as a process of its own. */
async function inEnvironment(
  env: Record<string, string>,
  urls: { readonly postgres: string; readonly neonWebSocket: string },
): Promise<unknown> {
  const path = (file: string) => JSON.stringify(import.meta.resolve(file));
  const program = `
    import { createEngine, sessionmaker } from ${path("../../mod.ts")};
    import { postgres } from ${path("../../src/postgres/mod.ts")};
    import { neonWebSocket } from ${path("../../src/neon/mod.ts")};
    const says = "current_setting('application_name') = 'ambient' as named, " +
      "current_setting('search_path') as path";
    const told = [];
    for (const [driverOf, url] of [
      [postgres, ${JSON.stringify(urls.postgres)}],
      [neonWebSocket, ${JSON.stringify(urls.neonWebSocket)}],
    ]) {
      const nobody = Object.assign(new URL(url), { password: "" }).href;
      for (const each of [url, nobody]) {
        const engine = createEngine(driverOf(each));
        told.push(await sessionmaker(engine)
          .begin((db) => db.execute("select " + says))
          .then(({ rows: [row] }) => row, (error) => error.name));
        await engine.dispose();
      }
    }
    console.log(JSON.stringify(told));
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    env,
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

Deno.test("clientDriver() takes nothing from the environment", async () => {
  await using database = await testDatabase();
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const { password } = new URL(database.url);
  const told = await inEnvironment(
    { ...AMBIENT, PGPASSWORD: decodeURIComponent(password) },
    { postgres: database.url, neonWebSocket: server.url },
  );
  const plain = { named: false, path: '"$user", public' };
  assertEquals(told, [plain, "ConnectionError", plain, "ConnectionError"]);
});
