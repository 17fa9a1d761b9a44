import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import { ConnectionError, createEngine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { command } from "../../src/driver/statement.ts";
import { neon } from "../../src/neon/mod.ts";
import { neonBed as driverBed } from "../support/drivers.ts";
import { testDatabase } from "../support/postgres.ts";

interface NeonBed extends AsyncDisposable {
  /** The database behind the endpoint. */
  readonly url: URL;
  /** Counts the other clients of the database. */
  connections(): Promise<number>;
  waitFor(predicate: () => Promise<boolean>): Promise<void>;
}

async function neonBed(): Promise<NeonBed> {
  const database = await testDatabase();
  const server = await serveNeon({ backend: database.url, port: 0 });
  const url = new URL(database.url);
  url.port = String(server.port);
  return {
    url,
    connections: () => database.connections(),
    waitFor: (predicate) => database.waitFor(predicate),
    async [Symbol.asyncDispose]() {
      await server.close();
      await database.drop();
    },
  };
}

/** A WebSocket that notes the size of every frame it sends. */
function countingWebSocket(frames: number[]) {
  return class extends WebSocket {
    override send(data: Uint8Array<ArrayBuffer>): void {
      frames.push(data.byteLength);
      super.send(data);
    }
  };
}

Deno.test("neon() sends one frame per flight", async () => {
  await using bed = await neonBed();
  const frames: number[] = [];
  const driver = neon(bed.url.href, { WebSocket: countingWebSocket(frames) });
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  // Start-up, password, BEGIN and three statements.
  await Promise.all([1, 2, 3].map((n) => db.execute(`select ${n}`)));
  assertEquals(frames.length, 1);
  await db.execute("create table t (id int)");
  assertEquals(frames.length, 2);
  await Promise.all([
    db.execute("insert into t values (1)"),
    db.execute("insert into t select n from generate_series(2, 99) n"),
  ]);
  assertEquals(frames.length, 3);
  await db.commit();
  // COMMIT, and Terminate behind it.
  assertEquals(frames.length, 5);
});

Deno.test("neon() leaves the package's global settings alone", async () => {
  const { neonConfig, types } = await import("@neondatabase/serverless");
  const before = [neonConfig.wsProxy, neonConfig.useSecureWebSocket];
  const timestamps = types.getTypeParser(1184);
  await using bed = await neonBed();
  await using engine = createEngine(neon(bed.url.href));
  await sessionmaker(engine).begin((db) => db.execute("select now()"));
  assertEquals([neonConfig.wsProxy, neonConfig.useSecureWebSocket], before);
  assert(types.getTypeParser(1184) === timestamps);
});

Deno.test("neon() names host and database, never the password", async () => {
  await using bed = await neonBed();
  const wrong = new URL(bed.url);
  wrong.password = "wrong-secret";
  const nobody = new URL(bed.url);
  nobody.port = "1";
  nobody.password = "wrong-secret";
  for (const url of [wrong, nobody]) {
    await using engine = createEngine(neon(url.href));
    await using db = sessionmaker(engine)();
    const error = await assertRejects(
      () => db.execute("select 1"),
      ConnectionError,
    );
    assertEquals(error.code, "CONNECT_FAILED");
    const told = [error.message, error.stack, JSON.stringify(error)].join();
    assert(!told.includes("wrong-secret"), told);
    assert(error.message.includes(`127.0.0.1:${url.port}`), error.message);
    assert(error.message.includes(bed.url.pathname.slice(1)), error.message);
    await engine.idle();
    assertEquals(engine.status().checkedOut, 0);
  }
  await bed.waitFor(async () => await bed.connections() === 0);
});

Deno.test("neon() refuses a URL at once, without repeating it", () => {
  for (
    const url of [
      "",
      "localhost",
      "https://user:marker@host/db",
      "postgres://marker@/db",
    ]
  ) {
    const error = assertThrows(() => neon(url), TypeError);
    assert(!error.message.includes("marker"), error.message);
  }
  assertThrows(
    () => neon("postgres://u:p@h/d", { connectTimeout: -1 }),
    RangeError,
    "connectTimeout",
  );
});

Deno.test("neon() refuses a parameter that it would ignore", async () => {
  const driver = neon("postgres://u:p@localhost:1/d?options=-csearch_path%3Dx");
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  await assertRejects(() => db.execute("select 1"), ConnectionError, "options");
});

Deno.test("neon() asks a URL function at the first connect, once", async () => {
  await using bed = await neonBed();
  let asked = 0;
  const driver = neon(async () => {
    asked++;
    return await Promise.resolve(bed.url.href);
  });
  await using engine = createEngine(driver);
  assertEquals(asked, 0);
  const Session = sessionmaker(engine);
  await Session.begin((db) => db.execute("select 1"));
  await Session.begin((db) => db.execute("select 1"));
  // Over HTTP, too: it is one database.
  await Session.begin((db) => {
    void db.enqueue(sql`select 1`);
    return Promise.resolve();
  });
  assertEquals(asked, 1);
  await using missing = createEngine(neon(() => undefined));
  await assertRejects(
    () => sessionmaker(missing).begin((db) => db.execute("select 1")),
    ConnectionError,
    "the database URL is missing",
  );
});

Deno.test("neon() gives up on a silent server", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const driver = neon(`postgres://u:p@127.0.0.1:${listener.addr.port}/d`, {
    connectTimeout: 50,
  });
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  await assertRejects(
    () => db.execute("select 1"),
    ConnectionError,
    "no answer for 50 ms",
  );
  (await accepted).close();
});

Deno.test("neon a connection that was lost while idle can be closed", async () => {
  await using bed = await driverBed();
  const connection = await bed.driver.connect();
  await connection.send([command("select 1")]);
  await bed.database?.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  while (connection.usable) await new Promise((go) => setTimeout(go, 5));
  await connection.close();
});
