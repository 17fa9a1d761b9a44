import { assert, assertEquals, assertMatch } from "@std/assert";
import { ERROR_FIELDS } from "../../src/dev/_messages.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { withDatabase, withPassword } from "./neon_client.ts";
import { testEndpoint } from "./neon_client.ts";
import { postSql } from "./sql_http.ts";

Deno.test("POST /sql describes columns and counts rows", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (id int, name varchar(20))",
  });
  const { database, server } = endpoint;
  const [row] = await database.query("select 't'::regclass::oid::int as oid");

  const inserted = await postSql(server, {
    query: "insert into t values (1, $1), (2, null) returning *",
    params: ["a"],
  });

  assertEquals(inserted.status, 200);
  assertEquals(inserted.headers.get("access-control-allow-origin"), "*");
  assertMatch(inserted.headers.get("neon-request-id") ?? "", /^[0-9a-f-]{36}$/);
  const field = { tableID: row?.oid, format: "text" };
  assertEquals(inserted.json, {
    rowAsArray: false,
    fields: [{
      ...field,
      name: "id",
      dataTypeID: 23,
      columnID: 1,
      dataTypeSize: 4,
      dataTypeModifier: -1,
    }, {
      ...field,
      name: "name",
      dataTypeID: 1043,
      columnID: 2,
      dataTypeSize: -1,
      dataTypeModifier: 24,
    }],
    rows: [{ id: 1, name: "a" }, { id: 2, name: null }],
    command: "INSERT",
    rowCount: 2,
  });
});

Deno.test("POST /sql names the command and its row count", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const cases: [string, string, number | null][] = [
    ["insert into t values (1), (2)", "INSERT", 2],
    ["update t set a = 3 where a = 1", "UPDATE", 1],
    ["delete from t", "DELETE", 2],
    ["select 1 where false", "SELECT", 0],
    ["create table u ()", "CREATE", null],
    ["begin", "BEGIN", null],
    ["", "", null],
  ];
  for (const [query, command, rowCount] of cases) {
    const { json } = await postSql(endpoint.server, { query });
    assertEquals([json.command, json.rowCount], [command, rowCount], query);
  }
});

Deno.test("POST /sql gives JSON values, or PostgreSQL's text when asked", async () => {
  await using endpoint = await testEndpoint({
    setup: "create type mood as enum ('ok', 'so so')",
  });
  const query = `select true as b, 1::int2 as i2, 2 as i4, 3::int8 as i8,
    1.50::numeric as n, 1.5::float8 as f, 'NaN'::float8 as nan,
    '-Infinity'::float4 as inf, '{"a":[1]}'::jsonb as j,
    12345678901234567890::text::json as big, 'x' as t, null::int as z,
    '{1,NULL,3}'::int[] as ints, '[2:3]={t,f}'::bool[] as bools,
    array[['a', 'b,"c\\'], ['NULL', '']] as texts, '{4}'::int8[] as longs,
    array['{"k": 1}']::json[] as jsons, '{}'::int[] as none,
    array['so so']::mood[] as moods`;

  const plain = await postSql(endpoint.server, { query });
  const raw = await postSql(endpoint.server, { query }, {
    "Neon-Raw-Text-Output": "true",
    "Neon-Array-Mode": "true",
  });

  assertEquals(plain.json.rows, [{
    b: true,
    i2: 1,
    i4: 2,
    i8: "3",
    n: "1.50",
    f: 1.5,
    nan: "NaN",
    inf: "-Infinity",
    j: { a: [1] },
    // More digits than a double has: JSON.parse() rounds, the text is whole.
    big: 12345678901234567000,
    t: "x",
    z: null,
    ints: [1, null, 3],
    bools: [true, false],
    texts: [["a", 'b,"c\\'], ["NULL", ""]],
    longs: ["4"],
    jsons: [{ k: 1 }],
    none: [],
    moods: ["so so"],
  }]);
  assert(raw.json.rowAsArray);
  assertEquals(raw.json.rows, [[
    "t",
    "1",
    "2",
    "3",
    "1.50",
    "1.5",
    "NaN",
    "-Infinity",
    '{"a": [1]}',
    "12345678901234567890",
    "x",
    null,
    "{1,NULL,3}",
    "[2:3]={t,f}",
    '{{a,"b,\\"c\\\\"},{"NULL",""}}',
    "{4}",
    '{"{\\"k\\": 1}"}',
    "{}",
    '{"so so"}',
  ]]);
});

Deno.test("POST /sql takes arrayMode of the body before that of the header", async () => {
  await using endpoint = await testEndpoint();
  const header = { "Neon-Array-Mode": "true" };
  const body = { query: "select 1 as a" };

  const byHeader = await postSql(endpoint.server, body, header);
  const byBody = await postSql(
    endpoint.server,
    { ...body, arrayMode: false },
    header,
  );

  assertEquals(byHeader.json.rows, [[1]]);
  assertEquals(byBody.json.rows, [{ a: 1 }]);
});

Deno.test("POST /sql passes parameters of every JSON type", async () => {
  await using endpoint = await testEndpoint();
  const { json } = await postSql(endpoint.server, {
    query:
      "select $1::text, $2::bool, $3::float8, $4::jsonb, $5::text[], $6::json[], $7::int",
    params: ["é'\"", true, 1.5, { a: [1, null] }, ["x", 'y"', null, "NULL"], [{
      k: "v",
    }], null],
    arrayMode: true,
  });
  assertEquals(json.rows, [[
    "é'\"",
    true,
    1.5,
    { a: [1, null] },
    ["x", 'y"', null, "NULL"],
    [{ k: "v" }],
    null,
  ]]);
});

Deno.test("POST /sql runs a batch in order and repeats the modes it was given", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const queries = [
    { query: "insert into t values ($1)", params: [1] },
    { query: "select a from t", arrayMode: true },
  ];

  const plain = await postSql(endpoint.server, { queries });
  const moded = await postSql(endpoint.server, { queries: [] }, {
    "Neon-Batch-Isolation-Level": "RepeatableRead",
    "Neon-Batch-Read-Only": "true",
    "Neon-Batch-Deferrable": "true",
  });

  assertEquals(
    (plain.json.results as { rows: unknown }[]).map(({ rows }) => rows),
    [[], [[1]]],
  );
  assertEquals(plain.headers.get("neon-batch-read-only"), null);
  assertEquals(moded.json, { results: [] });
  assertEquals(
    ["isolation-level", "read-only", "deferrable"].map((name) =>
      moded.headers.get(`neon-batch-${name}`)
    ),
    ["RepeatableRead", "true", "true"],
  );
});

Deno.test("POST /sql refuses a write in a read-only batch", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const { status, json } = await postSql(
    endpoint.server,
    { queries: [{ query: "insert into t values (1)" }] },
    { "Neon-Batch-Read-Only": "true" },
  );
  assertEquals([status, json.code], [400, "25006"]);
});

Deno.test("POST /sql reports a COMMIT that fails", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int unique deferrable initially deferred)",
  });
  const insert = { query: "insert into t values (1)" };
  const { status, json } = await postSql(endpoint.server, {
    queries: [insert, insert],
  });
  assertEquals([status, json.code, json.constraint], [
    400,
    "23505",
    "t_a_key",
  ]);
  assertEquals(await endpoint.database.query("select * from t"), []);
});

Deno.test("POST /sql reports errors with every key", async () => {
  await using endpoint = await testEndpoint();
  const { status, json } = await postSql(endpoint.server, {
    query: "select nowhere",
  });
  assertEquals(status, 400);
  assertEquals(
    Object.keys(json).sort(),
    ERROR_FIELDS.map(([name]) => name).sort(),
  );
  assertEquals(json.message, 'column "nowhere" does not exist');
  assertEquals(json.code, "42703");
  assertEquals(json.severity, "ERROR");
  assertEquals(json.position, "8");
  assertEquals(json.hint, null);
});

Deno.test("POST /sql refuses several statements in one query", async () => {
  await using endpoint = await testEndpoint();
  const { status, json } = await postSql(endpoint.server, {
    query: "select 1; select 2",
  });
  assertEquals([status, json.code], [400, "42601"]);
});

Deno.test("POST /sql refuses COPY and goes on with the next request", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  for (const query of ["copy t from stdin", "copy (select 1) to stdout"]) {
    const { status, json } = await postSql(endpoint.server, { query });
    assertEquals([status, json.message], [
      400,
      "unexpected message from server",
    ]);
  }
  const { json } = await postSql(endpoint.server, { query: "select 1 as a" });
  assertEquals(json.rows, [{ a: 1 }]);
});

Deno.test("POST /sql keeps nothing of a session between requests", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const { database, server } = endpoint;
  const leftovers = [
    "begin",
    "set search_path = nowhere",
    "set role pg_read_all_data",
    "create temporary table left_behind ()",
    "select pg_advisory_lock(1)",
    "prepare s as select 1",
  ];
  for (const query of leftovers) {
    assertEquals((await postSql(server, { query })).status, 200, query);
  }
  await postSql(server, { query: "insert into t values (1)" });

  await database.waitFor(async () => await database.openTransactions() === 0);
  assertEquals(await database.query("select a from t"), [{ a: 1 }]);
  const { json } = await postSql(server, {
    query: `select current_user = session_user as same_user,
      to_regclass('left_behind') is null as no_table,
      (select count(*)::int from pg_prepared_statements) as prepared`,
  });
  assertEquals(json.rows, [{ same_user: true, no_table: true, prepared: 0 }]);
  await database.waitFor(async () =>
    (await database.query("select 1 from pg_locks where locktype = 'advisory'"))
      .length === 0
  );
});

Deno.test("POST /sql keeps at most four connections", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  await Promise.all(
    Array.from(
      { length: 10 },
      () => postSql(server, { query: "select pg_sleep(0.02)" }),
    ),
  );
  await database.waitFor(async () => await database.connections() === 4);
});

Deno.test("POST /sql replaces a kept connection that has died", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const query = { query: "select pg_backend_pid() as pid" };
  await postSql(server, query);
  await database.waitFor(async () => await database.terminateAll() === 1);
  const { status } = await postSql(server, query);
  assertEquals(status, 200);
});

Deno.test("POST /sql refuses requests that are wrong", async () => {
  await using endpoint = await testEndpoint();
  const { server } = endpoint;
  const fine = { query: "select 1" };
  const connection = (value: string) => ({ "Neon-Connection-String": value });
  const cases: [unknown, Record<string, string>, number, string][] = [
    ["{", {}, 400, "could not parse the HTTP request body"],
    [[], {}, 400, "did not match any variant"],
    [{ query: 1 }, {}, 400, "did not match any variant"],
    [{ query: "x", params: null }, {}, 400, "did not match any variant"],
    [{ queries: [{}] }, {}, 400, "did not match any variant"],
    [
      fine,
      { "Neon-Batch-Isolation-Level": "serializable" },
      400,
      "invalid isolation level",
    ],
    [fine, connection(""), 400, "invalid connection string"],
    [fine, connection("http://u:p@h/d"), 400, "incorrect scheme"],
    [fine, connection("postgres://u@h/d"), 400, "missing authentication"],
    [fine, connection("postgres://u:p@h"), 400, "missing database name"],
    [
      { query: "select 1", params: Array(32_768).fill(1) },
      {},
      500,
      "error encoding message to server",
    ],
  ];
  for (const [body, headers, status, message] of cases) {
    const answer = await postSql(server, body, headers);
    assertEquals(answer.status, status, message);
    assert(String(answer.json.message).includes(message), message);
    assertEquals([answer.json.code, answer.json.severity], ["", ""]);
  }
});

Deno.test("POST /sql refuses long requests and long answers", async () => {
  await using endpoint = await testEndpoint({ maxBytes: 10_000 });
  const { database, server } = endpoint;

  const request = await postSql(server, {
    query: "select $1::text",
    params: ["x".repeat(20_000)],
  });
  const answer = await postSql(server, {
    query: "select repeat('x', 100) from generate_series(1, 100000)",
  });
  // It was dropped in the middle of the answer.
  await database.waitFor(async () => await database.connections() === 0);
  const batch = await postSql(server, {
    queries: Array(3).fill({ query: "select repeat('x', 4000)" }),
  });

  assertEquals([request.status, answer.status, batch.status], [413, 507, 507]);
  assertEquals(
    answer.json.message,
    "response is too large (max is 10000 bytes)",
  );
  await database.waitFor(async () => await database.openTransactions() === 0);
});

Deno.test("POST /sql answers 500 without a backend, and when it is lost", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await using orphan = await serveNeon({
    backend: `postgres://u:p@127.0.0.1:${port}/d`,
    port: 0,
  });

  const unreachable = await postSql(orphan, { query: "select 1" });
  assertEquals(unreachable.status, 500);
  assertEquals(unreachable.json.code, "");

  const sleeping = postSql(server, { query: "select pg_sleep(60)" });
  await database.waitFor(async () => await database.openTransactions() === 1);
  await database.terminateAll();
  const terminated = await sleeping;
  assertEquals([terminated.status, terminated.json.code], [400, "57P01"]);
});

Deno.test("POST /sql tells logins apart that differ in one part only", async () => {
  await using endpoint = await testEndpoint();
  const { server } = endpoint;
  assertEquals((await postSql(server, { query: "select 1" })).status, 200);
  for (
    const url of [
      withPassword(server.url, "wrong"),
      withDatabase(server.url, "nowhere"),
    ]
  ) {
    const { status } = await postSql(server, { query: "select 1" }, {
      "Neon-Connection-String": url,
    });
    assertEquals(status, 400);
  }
});

Deno.test("/sql answers OPTIONS, everything else is not supported", async () => {
  await using endpoint = await testEndpoint();
  const base = `http://127.0.0.1:${endpoint.server.port}`;

  const preflight = await fetch(`${base}/sql`, { method: "OPTIONS" });
  await preflight.body?.cancel();
  assertEquals(preflight.status, 200);
  assertEquals(preflight.headers.get("access-control-allow-origin"), "*");
  assert(
    preflight.headers.get("access-control-allow-headers")
      ?.includes("Neon-Connection-String"),
  );
  for (const [method, path] of [["GET", "/sql"], ["POST", "/"]]) {
    const response = await fetch(`${base}${path}`, { method: method ?? "" });
    assertEquals(response.status, 400);
    assertEquals(await response.json(), "query is not supported");
  }
});
