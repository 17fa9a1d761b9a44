import { assert, assertEquals, assertRejects } from "@std/assert";
import { neon, NeonDbError } from "@neondatabase/serverless";
import { serveNeon } from "../../src/dev/mod.ts";
import { waitFor } from "../support/postgres.ts";
import {
  connectClient,
  testEndpoint,
  testPool,
  withDatabase,
  withPassword,
} from "./neon_client.ts";
import { openTunnel } from "./raw_tunnel.ts";

const NOTES = "create table notes (id int primary key, text text not null)";

Deno.test("serveNeon() answers neon() as objects, arrays and full results", async () => {
  await using endpoint = await testEndpoint();
  const sql = neon(endpoint.server.url);

  assertEquals(
    await sql`select ${7}::int as n, ${["a", "b"]}::text[] as l, null as z`,
    [{ n: 7, l: ["a", "b"], z: null }],
  );
  assertEquals(
    await sql.query("select $1::int + 1", [1], { arrayMode: true }),
    [[2]],
  );
  const full = await sql.query("select 1 as one union select 2", [], {
    fullResults: true,
  });
  assertEquals(full.rowCount, 2);
  assertEquals(full.command, "SELECT");
  assertEquals(full.fields.map((field) => field.name), ["one"]);
});

Deno.test("serveNeon() runs transaction() in the modes it was given", async () => {
  await using endpoint = await testEndpoint();
  const sql = neon(endpoint.server.url);

  const [isolation, readOnly, deferrable, first, second] = await sql
    .transaction([
      sql`select current_setting('transaction_isolation') as v`,
      sql`select current_setting('transaction_read_only') as v`,
      sql`select current_setting('transaction_deferrable') as v`,
      sql`select now() as v`,
      sql`select now() as v`,
    ], { isolationLevel: "Serializable", readOnly: true, deferrable: true });

  assertEquals(
    [isolation, readOnly, deferrable].map((rows) => rows?.[0]?.v),
    ["serializable", "on", "on"],
  );
  assertEquals(first, second, "now() is the same in one transaction");
});

Deno.test("serveNeon() rolls a failed batch back and reports the statement's error", async () => {
  await using endpoint = await testEndpoint({ setup: NOTES });
  const { database, server } = endpoint;
  const sql = neon(server.url);

  const error = await assertRejects(
    () =>
      sql.transaction([
        sql`insert into notes values (1, 'a')`,
        sql`insert into notes values (1, 'b')`,
      ]),
    NeonDbError,
  );

  assertEquals(error.code, "23505");
  assertEquals(error.constraint, "notes_pkey");
  assertEquals(error.table, "notes");
  assertEquals(error.severity, "ERROR");
  assertEquals(await database.openTransactions(), 0);
  assertEquals(await database.query("select * from notes"), []);
  assertEquals(await sql`select 1 as fine`, [{ fine: 1 }]);
});

Deno.test("serveNeon() refuses a wrong password and an unknown database over HTTP", async () => {
  await using endpoint = await testEndpoint();
  const { url } = endpoint.server;

  const wrong = await assertRejects(
    () => neon(withPassword(url, "wrong"))`select 1`,
    NeonDbError,
    "password authentication failed for user 'nullpool'",
  );
  assertEquals(wrong.code, "");
  const unknown = await assertRejects(
    () => neon(withDatabase(url, "nowhere"))`select 1`,
    NeonDbError,
  );
  assertEquals(unknown.code, "3D000");
});

Deno.test("serveNeon() logs HTTP clients in as the user they name", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const role = await database.createRole();
  const { username, password } = new URL(role.url);
  const url = new URL(server.url);
  url.username = username;
  url.password = password;

  await neon(server.url)`select 1`;
  assertEquals(await neon(url.href)`select current_user as u`, [
    { u: role.name },
  ]);
});

Deno.test("serveNeon() serves Client over a WebSocket: parameters, transactions, errors", async () => {
  await using endpoint = await testEndpoint({ setup: NOTES });
  const { database, server } = endpoint;
  {
    await using connected = await connectClient(server.url);
    const { client } = connected;
    await client.query("begin");
    await client.query("insert into notes values ($1, $2)", [1, "a"]);
    assertEquals(await database.query("select id from notes"), []);
    await client.query("commit");
    assertEquals(await database.query("select id from notes"), [{ id: 1 }]);

    const error = await assertRejects(
      () => client.query("insert into notes values (1, 'b')"),
      Error,
      "notes_pkey",
    );
    assertEquals(Object(error).code, "23505");
    const { rows } = await client.query("select count(*)::int as n from notes");
    assertEquals(rows, [{ n: 1 }]);
  }
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("serveNeon() rejects the first query of a Client with a wrong password", async () => {
  await using endpoint = await testEndpoint();
  const url = withPassword(endpoint.server.url, "wrong");
  const { client } = await connectClient(url);

  const error = await assertRejects(
    () => client.query("select 1"),
    Error,
    "password authentication failed",
  );

  assertEquals(Object(error).code, "28P01");
});

Deno.test("serveNeon() delivers notifications to a listening Client", async () => {
  await using endpoint = await testEndpoint();
  await using connected = await connectClient(endpoint.server.url);
  const { client } = connected;
  const received: (string | undefined)[] = [];
  client.on("notification", ({ payload }) => received.push(payload));

  await client.query("listen news");
  await neon(endpoint.server.url)`select pg_notify('news', 'hello')`;

  await waitFor(() => received.length > 0);
  assertEquals(received, ["hello"]);
});

Deno.test("serveNeon() serves 50 clients at once and leaves no connection behind", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const sql = neon(server.url);
  {
    await using pool = testPool(server.url, 25);
    const numbers = Array.from({ length: 25 }, (_, i) => i);
    const [overHttp, overWebSocket] = await Promise.all([
      Promise.all(numbers.map((i) => sql`select ${i}::int as i`)),
      Promise.all(numbers.map((i) => pool.query("select $1::int as i", [i]))),
    ]);
    assertEquals(overHttp, numbers.map((i) => [{ i }]));
    assertEquals(overWebSocket.map(({ rows }) => rows), overHttp);
  }
  await server.close();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("serveNeon() closes a Client whose backend is terminated in a transaction", async () => {
  await using endpoint = await testEndpoint({ setup: NOTES });
  const { database, server } = endpoint;
  const { client, errors } = await connectClient(server.url);
  await client.query("begin");
  await client.query("insert into notes values (1, 'a')");

  const ended = new Promise<void>((resolve) => client.once("end", resolve));
  assertEquals(await database.terminateAll(), 1);
  await ended;

  assert(errors.some((error) => Object(error).code === "57P01"));
  await assertRejects(() => client.query("select 1"));
  assertEquals(await database.query("select * from notes"), []);
});

Deno.test("serveNeon() cancels the statement of an HTTP client that aborts", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const abort = new AbortController();
  const sql = neon(server.url, { fetchOptions: { signal: abort.signal } });

  const sleeping = sql`select pg_sleep(60)`.catch((error) => error);
  await database.waitFor(async () => await database.openTransactions() === 1);
  abort.abort();

  assert(await sleeping instanceof NeonDbError);
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("serveNeon() cancels a batch whose client aborts, without its effects", async () => {
  await using endpoint = await testEndpoint({ setup: NOTES });
  const { database, server } = endpoint;
  const abort = new AbortController();
  const sql = neon(server.url, { fetchOptions: { signal: abort.signal } });

  const sleeping = sql.transaction([
    sql`insert into notes values (1, 'a')`,
    sql`select pg_sleep(60)`,
  ]).catch((error) => error);
  await database.waitFor(async () =>
    (await database.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
    )).length === 1
  );
  abort.abort();

  assert(await sleeping instanceof NeonDbError);
  await database.waitFor(async () => await database.connections() === 0);
  assertEquals(await database.query("select * from notes"), []);
});

Deno.test("serveNeon() cancels what runs, and leaves no connection, when it closes", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const { client } = await connectClient(server.url);
  const overHttp = neon(server.url)`select pg_sleep(60)`.catch(String);
  const overWebSocket = client.query("select pg_sleep(60)").catch(String);
  await using idle = await openTunnel(server);
  await database.waitFor(async () => await database.openTransactions() === 2);

  await server.close();
  await server.close();

  await overHttp;
  await overWebSocket;
  assertEquals((await idle.closed).code, 1001);
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("serveNeon() takes a free port for 0 and refuses one that is in use", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;

  assertEquals(new URL(server.url).port, String(server.port));
  const error = await assertRejects(() =>
    serveNeon({ backend: database.url, port: server.port })
  );
  assertEquals(Object(error).code, "EADDRINUSE");
});

Deno.test("serveNeon() checks its options", async () => {
  const backend = "postgres://user@127.0.0.1/db";
  await assertRejects(() => serveNeon({ backend: "localhost" }), TypeError);
  await assertRejects(
    () => serveNeon({ backend: `${backend}?sslmode=require` }),
    TypeError,
  );
  await assertRejects(() => serveNeon({ backend, port: 70_000 }), RangeError);
  await assertRejects(() => serveNeon({ backend, poolSize: -1 }), RangeError);
  await assertRejects(() => serveNeon({ backend, maxBytes: 0.5 }), RangeError);
});
