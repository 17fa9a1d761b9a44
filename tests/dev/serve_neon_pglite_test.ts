import { Buffer } from "node:buffer";
import type { PGlite } from "@electric-sql/pglite";
import { neon } from "@neondatabase/serverless";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type NeonServer, serveNeon } from "../../src/dev/mod.ts";
import { testPGlite } from "../support/pglite.ts";
import { waitFor } from "../support/postgres.ts";
import { connectClient, testPool } from "./neon_client.ts";
import {
  extended,
  message,
  openTunnel,
  password,
  startUp,
} from "./raw_tunnel.ts";
import { postSql } from "./sql_http.ts";

interface PGliteEndpoint extends AsyncDisposable {
  readonly server: NeonServer;
}

/** One for the whole file: it takes half a second to open. */
let db: PGlite;

Deno.test.beforeAll(async () => {
  db = await testPGlite();
});

Deno.test.afterAll(() => db.close());

async function testPGliteEndpoint(setup = ""): Promise<PGliteEndpoint> {
  await db.exec(`drop table if exists t; ${setup}`);
  const server = await serveNeon({ backend: db, port: 0 });
  return { server, [Symbol.asyncDispose]: () => server.close() };
}

const TABLE = "create table t (a int primary key)";

Deno.test("serveNeon() over PGlite answers over HTTP and WebSocket", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  const sql = neon(server.url);
  await using connected = await connectClient(server.url);
  const { client } = connected;

  assertEquals(await sql`insert into t values (${1}) returning a`, [{ a: 1 }]);
  const { rows } = await client.query("select a from t where a = $1", [1]);
  assertEquals(rows, [{ a: 1 }]);
  const results = await sql.transaction([
    sql`select current_setting('transaction_isolation') as v`,
    sql`select current_setting('transaction_read_only') as v`,
  ], { isolationLevel: "RepeatableRead", readOnly: true });
  assertEquals(results, [[{ v: "repeatable read" }], [{ v: "on" }]]);
});

Deno.test("serveNeon() over PGlite reports errors and goes on", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  await using connected = await connectClient(server.url);
  const { client } = connected;

  await assertRejects(() => client.query("select nowhere"), Error, "nowhere");
  await assertRejects(() => client.query("select $1::int", ["x"]), Error);
  const failed = await postSql(server, {
    queries: [{ query: "insert into t values (1)" }, {
      query: "insert into t values (1)",
    }],
  });
  assertEquals([failed.status, failed.json.code], [400, "23505"]);
  const several = await postSql(server, { query: "select 1; select 2" });
  assertEquals([several.status, several.json.code], [400, "42601"]);
  const { rows } = await client.query("select count(*)::int as n from t");
  assertEquals(rows, [{ n: 0 }]);
});

Deno.test("serveNeon() over PGlite makes others wait for a transaction", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  await using first = await connectClient(server.url);
  await using second = await connectClient(server.url);
  const order: string[] = [];

  await first.client.query("begin");
  await first.client.query("insert into t values (1)");
  const waiting = [
    second.client.query("select a from t").then(({ rows }) => {
      order.push("second");
      return rows;
    }),
    neon(server.url)`select a from t`.then((rows) => {
      order.push("http");
      return rows;
    }),
    db.query("select a from t").then(({ rows }) => {
      order.push("owner");
      return rows;
    }),
  ];
  await first.client.query("insert into t values (2)");
  assertEquals(order, []);
  await first.client.query("commit");

  for (const rows of await Promise.all(waiting)) {
    assertEquals(rows, [{ a: 1 }, { a: 2 }]);
  }
});

Deno.test("serveNeon() over PGlite rolls back for a client that has gone", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  const sql = neon(server.url);
  const { client } = await connectClient(server.url);
  await client.query("begin");
  await client.query("insert into t values (1)");
  await client.end();

  assertEquals(await sql`select a from t`, []);
  assertEquals((await postSql(server, { query: "begin" })).status, 200);
  assertEquals(await sql`insert into t values (2) returning a`, [{ a: 2 }]);
  assertEquals(await sql`select a from t`, [{ a: 2 }]);
});

Deno.test("serveNeon() over PGlite forgets a client that aborts while it waits", async () => {
  await db.exec(`drop table if exists t; ${TABLE}`);
  let leases = 0;
  await using server = await serveNeon({
    backend: {
      waitReady: db.waitReady,
      execProtocolRaw: (message) => db.execProtocolRaw(message),
      _runExclusiveTransaction(fn) {
        leases++;
        return db._runExclusiveTransaction(fn);
      },
    },
    port: 0,
  });
  await using holder = await connectClient(server.url);
  await holder.client.query("begin");
  const abort = new AbortController();
  const sql = neon(server.url, { fetchOptions: { signal: abort.signal } });
  const before = leases;

  const waiting = sql`insert into t values (1)`.catch(String);
  await waitFor(() => leases > before);
  abort.abort();
  assert(String(await waiting).includes("Abort"));
  await holder.client.query("select 1");
  await holder.client.query("commit");

  assertEquals(await neon(server.url)`select a from t`, []);
});

Deno.test("serveNeon() over PGlite takes pipelined and flushed messages", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  await using tunnel = await openTunnel(server);
  tunnel.send(Buffer.concat([
    startUp(server.url),
    password(server.url),
    extended("begin"),
    extended("insert into t values (1)"),
    extended("commit"),
    message("S", ""),
  ]));
  await tunnel.readUntil("K");
  await tunnel.readUntil("Z");
  assertEquals((await tunnel.readUntil("Z")).types, "12nC12nC12nCZ");

  tunnel.send(Buffer.concat([
    message("P", "\0select a from t\0\0\0"),
    message("D", "S\0"),
    message("H", ""),
  ]));
  assertEquals((await tunnel.readUntil("T")).types, "1tT");
  tunnel.send(Buffer.concat([
    message("B", "\0\0\0\0\0\0\0\0"),
    message("E", "\0\0\0\0\0"),
    message("S", ""),
  ]));
  assertEquals((await tunnel.readUntil("Z")).types, "2DCZ");
});

Deno.test("serveNeon() over PGlite refuses COPY FROM STDIN, which would hang", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  await using connected = await connectClient(server.url);
  const copy = "copy t (a)\nfrom stdin with (format csv)";

  await assertRejects(() => connected.client.query(copy), Error, "COPY");
  const overHttp = await postSql(server, { query: copy });
  assertEquals([overHttp.status, overHttp.json.code], [400, "0A000"]);
  // Not a character more than PostgreSQL needs, and behind another one.
  for (const text of ['copy"t"from stdin', "select 1;copy t from/**/stdin"]) {
    await assertRejects(() => connected.client.query(text), Error, "COPY");
  }
  const { rows } = await connected.client.query("select 'copy' as word");
  assertEquals(rows, [{ word: "copy" }]);
});

Deno.test("serveNeon() over PGlite keeps 40 concurrent transactions apart", async () => {
  await using endpoint = await testPGliteEndpoint(
    `${TABLE}; insert into t values (0)`,
  );
  const { server } = endpoint;
  await using pool = testPool(server.url, 10);

  async function increment() {
    const client = await pool.connect();
    try {
      await client.query("begin");
      const { rows } = await client.query("select a from t");
      await client.query("update t set a = $1", [rows[0].a + 1]);
      await client.query("commit");
    } finally {
      client.release();
    }
  }
  await Promise.all(Array.from({ length: 40 }, increment));

  assertEquals(await neon(server.url)`select a from t`, [{ a: 40 }]);
});

Deno.test("serveNeon() over PGlite forgets session state when nobody is connected", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  for (const query of ["set role pg_read_all_data", "prepare s as select 1"]) {
    assertEquals((await postSql(server, { query })).status, 200);
  }
  const { json } = await postSql(server, {
    query: `select current_user = session_user as same_user,
      (select count(*)::int from pg_prepared_statements) as prepared`,
  });
  assertEquals(json.rows, [{ same_user: true, prepared: 0 }]);
});

Deno.test("serveNeon() over PGlite passes notifications to other clients", async () => {
  await using endpoint = await testPGliteEndpoint(TABLE);
  const { server } = endpoint;
  await using listener = await connectClient(server.url);
  const received: unknown[] = [];
  listener.client.on("notification", ({ channel, payload }) => {
    received.push([channel, payload]);
  });
  await listener.client.query("listen news");

  await neon(server.url)`select pg_notify('news', 'hello')`;

  await waitFor(() => received.length > 0);
  assertEquals(received, [["news", "hello"]]);
});

Deno.test("serveNeon() over PGlite leaves the instance to its owner", async () => {
  const endpoint = await testPGliteEndpoint(TABLE);
  const { client } = await connectClient(endpoint.server.url);
  await client.query("begin");
  await client.query("insert into t values (1)");

  await endpoint.server.close();

  const { rows } = await db.query("select a from t");
  assertEquals(rows, []);
});

Deno.test("serveNeon() refuses what is neither a URL nor PGlite", async () => {
  const backend = JSON.parse("{}");
  await assertRejects(() => serveNeon({ backend, port: 0 }), TypeError);
});
