import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import pg from "pg";
import { statementsOf } from "./server_log.ts";
import { testDatabase, waitFor } from "./postgres.ts";
import { testPGlite } from "./pglite.ts";

const embedded = Deno.env.get("NULLPOOL_TEST_URL") === undefined;

Deno.test("testDatabase() gives each test an empty database", async () => {
  await using one = await testDatabase({
    setup: "create table note (id int); insert into note values (1)",
  });
  await using other = await testDatabase();
  assertNotEquals(one.name, other.name);
  assertEquals(await one.query("select id from note where id = $1", [1]), [
    { id: 1 },
  ]);
  assertEquals(
    await other.query("select to_regclass('note') as found"),
    [{ found: null }],
  );
});

Deno.test("testDatabase() counts clients and transactions", async () => {
  await using database = await testDatabase();
  assertEquals(await database.connections(), 0);

  const client = new pg.Client(database.url);
  await client.connect();
  assertEquals(await database.connections(), 1);
  assertEquals(await database.openTransactions(), 0);
  await client.query("begin");
  assertEquals(await database.openTransactions(), 1);
  await client.end();
  await waitFor(async () => await database.connections() === 0);
});

Deno.test("TestDatabase.terminateAll() ends the clients", async () => {
  await using database = await testDatabase();
  const client = new pg.Client(database.url);
  const lost = new Promise<Error>((resolve) => client.on("error", resolve));
  await client.connect();
  assertEquals(await database.terminateAll(), 1);
  assertEquals(await database.connections(), 0);
  assertMatch((await lost).message, /terminat/);
});

Deno.test("TestDatabase.drop() ends open clients, once", async () => {
  const database = await testDatabase();
  const client = new pg.Client(database.url);
  const lost = new Promise<Error>((resolve) => client.on("error", resolve));
  await client.connect();
  await database.drop();
  await database.drop();
  assert(await lost instanceof Error);
});

Deno.test("testDatabase() drops the database if the setup fails", async () => {
  await using database = await testDatabase();
  const databases = "select datname from pg_database order by 1";
  const before = await database.query(databases);
  await assertRejects(() => testDatabase({ setup: "no sql" }), Error, "syntax");
  assertEquals(await database.query(databases), before);
});

Deno.test("testDatabase() asks for the right password", async () => {
  await using database = await testDatabase();
  const url = new URL(database.url);
  url.password = "wrong";
  const client = new pg.Client(url.href);
  await assertRejects(() => client.connect(), Error, "password");
});

Deno.test("TestDatabase.createRole() gives a role without rights", async () => {
  await using database = await testDatabase();
  await database.query("create table secret (id int)");
  const { name, url } = await database.createRole();
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query("select current_user as name");
    assertEquals(rows, [{ name }]);
    await assertRejects(
      () => client.query("select * from secret"),
      Error,
      "permission denied",
    );
  } finally {
    await client.end();
  }
});

Deno.test({
  name: "TestDatabase.log() returns what clients sent, in order",
  ignore: !embedded,
  async fn() {
    await using database = await testDatabase();
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query("begin");
    await client.query("select $1::int", [1]);
    await client.query("select\n  2");
    await client.query("rollback");
    const { rows } = await client.query("select pg_backend_pid() as pid");
    await client.end();

    assertEquals(await database.log(), [
      "begin",
      "select $1::int",
      "select\n  2",
      "rollback",
      "select pg_backend_pid() as pid",
    ]);
    const statements = await database.statements();
    const transactions = statements.map((entry) => entry.transaction);
    assertEquals(new Set(transactions.slice(0, 4)).size, 1);
    assertNotEquals(transactions[0], transactions[4]);
    assertEquals(new Set(statements.map((entry) => entry.backend)).size, 1);
    assertEquals(statements[0]?.backend, rows[0].pid);
  },
});

Deno.test("statementsOf() reads only statements of the database", () => {
  const at = "2026-01-02 03:04:05.678 UTC [7]";
  const log = [
    `${at} other 1/2 LOG:  statement: select 0`,
    `${at} mine 1/2 LOG:  execute <unnamed>: select $1,`,
    "\t  2",
    `${at} mine 1/2 DETAIL:  Parameters: $1 = 'LOG:  statement: x'`,
    `${at} mine 1/2 ERROR:  division by zero`,
    `${at} mine 1/2 STATEMENT:  select 1/0`,
    `${at} mine 1/3 LOG:  execute named/C_1: commit`,
    "",
  ].join("\n");
  assertEquals(statementsOf("mine", log), [
    { backend: 7, transaction: "1/2", sql: "select $1,\n  2" },
    { backend: 7, transaction: "1/3", sql: "commit" },
  ]);
});

Deno.test("waitFor() rejects at its deadline", async () => {
  let asked = 0;
  await waitFor(() => ++asked === 3);
  assertEquals(asked, 3);
  await assertRejects(() => waitFor(() => false, 20), Error, "20 ms");
});

Deno.test("testPGlite() gives each test an empty PGlite", async () => {
  await using one = await testPGlite();
  await using other = await testPGlite();
  await one.exec("create table note (id int)");
  const { rows } = await other.query("select to_regclass('note') as found");
  assertEquals(rows, [{ found: null }]);
});
