import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { ConnectionError, createEngine, sessionmaker } from "../../mod.ts";
import { postgres, type PostgresOptions } from "../../src/postgres/mod.ts";
import { pipe } from "../support/pipe.ts";
import { testDatabase } from "../support/postgres.ts";
import { tcpRelay } from "../support/tcp_relay.ts";
import { unixSocket } from "../support/unix_socket.ts";
import { wireCounter } from "../support/wire_counter.ts";

const isOff = false;

async function failure(
  url: string,
  options: PostgresOptions = {},
): Promise<ConnectionError> {
  const driver = postgres(url, { connectTimeout: 2_000, ...options });
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine)();
  return await assertRejects(() => db.execute("select 1"), ConnectionError);
}

Deno.test("postgres() names host and database, never the password", async () => {
  await using database = await testDatabase();
  const wrong = new URL(database.url);
  wrong.password = "wrong-secret";
  const missing = new URL(wrong);
  missing.password = new URL(database.url).password;
  missing.pathname = "/no_such_database";
  const nobody = new URL(wrong);
  nobody.port = "1";
  for (
    const [url, reason] of [
      [wrong, "28P01 invalid_password"],
      [missing, "3D000 invalid_catalog_name"],
      [nobody, "ECONNREFUSED"],
    ] as const
  ) {
    const error = await failure(url.href);
    assertEquals(error.code, "CONNECT_FAILED");
    assertFalse(error.maybeExecuted);
    assertEquals(
      error.message,
      `Cannot connect to database "${
        url.pathname.slice(1)
      }" at 127.0.0.1:${url.port}: ${reason}`,
    );
    const told = [error.stack, JSON.stringify(error), String(error.cause)];
    assert(!told.join().includes("secret"), told.join());
  }
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("postgres() reads no password from the environment", async () => {
  await using database = await testDatabase();
  const url = new URL(database.url);
  const { password } = url;
  url.password = "";
  Deno.env.set("PGPASSWORD", decodeURIComponent(password));
  try {
    const error = await failure(url.href);
    assert(error.message.endsWith("and the URL has none"), error.message);
  } finally {
    Deno.env.delete("PGPASSWORD");
  }
});

Deno.test("postgres() sends no start-up options, as poolers demand", async () => {
  await using database = await testDatabase();
  const url = `${database.url}?application_name=order%20desk`;
  await using engine = createEngine(postgres(url), {
    settings: { statement_timeout: "5s" },
  });
  const Session = sessionmaker(engine);
  await Session.begin(async (db) => {
    const { rows } = await db.execute(
      `select application_name as name, (select count(*)::int from pg_settings
        where source in ('client', 'session') and name in
        ('statement_timeout', 'search_path', 'timezone')) as settings
        from pg_stat_activity where pid = pg_backend_pid()`,
    );
    // One: the statement_timeout of this transaction.
    assertEquals(rows, [{ name: "order desk", settings: 1 }]);
    const prepared = await db.execute("select * from pg_prepared_statements");
    assertEquals(prepared.rows, []);
  });
});

Deno.test("postgres() refuses bad options and parameters by name", async () => {
  assertThrows(() => postgres("mysql://u:p@h/d"), TypeError, "postgres://");
  assertThrows(
    () => postgres("postgres://u:p@h/d", { connectTimeout: NaN }),
    RangeError,
    "connectTimeout",
  );
  const error = await failure("postgres://u:p@127.0.0.1:1/d?sslmode=maybe");
  assert(error.message.includes('sslmode "maybe"'), error.message);
  for (
    const [params, reason] of [
      ["sslnegotiation=maybe", '"maybe" is none of postgres, direct'],
      ["sslnegotiation=direct", "needs TLS; add sslmode=require"],
    ] as const
  ) {
    const { message } = await failure(`postgres://u:p@127.0.0.1:1/d?${params}`);
    assert(message.includes(reason), message);
  }
  const options = await failure("postgres://u:p@127.0.0.1:1/d?options=-cx");
  assert(options.message.includes('"options"'), options.message);
});

Deno.test("postgres() asks for TLS as sslmode says", async () => {
  await using database = await testDatabase();
  // The server of the tests speaks no TLS, and says so.
  for (const sslmode of ["require", "verify-full", "no-verify"]) {
    const error = await failure(`${database.url}?sslmode=${sslmode}`);
    assert(error.message.includes("does not support SSL"), error.message);
  }
  await using engine = createEngine(
    postgres(`${database.url}?sslmode=disable&channel_binding=disable`),
  );
  await sessionmaker(engine).begin((db) => db.execute("select 1"));
});

Deno.test("postgres() logs in over verified TLS alone with channel_binding=require", async () => {
  await using database = await testDatabase();
  const url = `${database.url}?channel_binding=require`;
  for (const lead of ["", "&sslmode=disable", "&sslmode=no-verify"]) {
    const error = await failure(`${url}${lead}`);
    assert(error.message.includes("needs verified TLS"), error.message);
  }
  const unverified = { rejectUnauthorized: isOff };
  const options = await failure(`${url}&sslmode=require`, { tls: unverified });
  assert(options.message.includes("needs verified TLS"), options.message);
  // As Neon writes it: this server speaks no TLS, and says so.
  for (const sslmode of ["require", "verify-full"]) {
    const error = await failure(`${url}&sslmode=${sslmode}`);
    assert(error.message.includes("does not support SSL"), error.message);
  }
  const wrong = await failure(`${database.url}?channel_binding=maybe`);
  assert(wrong.message.includes('channel_binding "maybe"'), wrong.message);
});

Deno.test("postgres() gives up on a silent server", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const { port } = listener.addr;
  await using engine = createEngine(
    postgres(`postgres://u:p@127.0.0.1:${port}/d`, { connectTimeout: 50 }),
  );
  await using db = sessionmaker(engine)();
  await assertRejects(
    () => db.execute("select 1"),
    ConnectionError,
    "no answer for 50 ms",
  );
  assertEquals(engine.status().checkedOut, 0);
  (await accepted).close();
});

Deno.test("postgres() cancels what it gives up by a socket in a folder, too", async () => {
  await using database = await testDatabase();
  await using socket = await unixSocket(database.url);
  await using engine = createEngine(postgres(socket.url));
  await using db = sessionmaker(engine)({
    transaction: { statementTimeout: 100 },
  });
  const error = await assertRejects(
    () => db.execute("select pg_sleep(60)"),
    ConnectionError,
  );
  assertEquals(error.code, "STATEMENT_TIMEOUT");
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("postgres() without pipelining does the same, a statement at a time", async () => {
  await using database = await testDatabase({
    setup: "create table t (id int primary key)",
  });
  await using wire = wireCounter(database.url);
  const url = new URL(database.url);
  url.port = String(wire.port);
  await using engine = createEngine(postgres(url.href, { pipeline: isOff }));
  await using db = sessionmaker(engine)();
  await db.execute("insert into t values (1)");
  wire.take();
  const [one, same, behind] = await Promise.allSettled([
    db.execute("insert into t values (2)"),
    db.execute("insert into t values (2)"),
    db.execute("insert into t values (3)"),
  ]);
  assertEquals([one.status, same.status, behind.status], [
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  await db.rollback();
  // The two that ran, and ROLLBACK.
  assertEquals(wire.take().flights, 3);
  await db.begin();
  await db.execute("insert into t values (4)");
  await db.commit();
  assertEquals(await database.query("select id from t"), [{ id: 4 }]);
});

/** Holds back the statement with a marker until a cancel request was answered. */
function lateRelay(url: string, marker: string) {
  const cancelled = Promise.withResolvers<void>();
  let cancels = 0;
  const relay = tcpRelay(url, async ({ client, server, close }) => {
    let isCancel = false;
    const up = pipe(client, server, async (bytes) => {
      // CancelRequest has a number of its own in place of a version.
      isCancel ||= bytes.length === 16 &&
        new DataView(bytes.buffer, bytes.byteOffset).getUint32(4) === 80877102;
      if (isCancel) cancels++;
      if (new TextDecoder().decode(bytes).includes(marker)) {
        await cancelled.promise;
      }
      return bytes;
    });
    await pipe(server, client, (bytes) => bytes);
    // The server closes when it has looked for what to cancel.
    if (isCancel) cancelled.resolve();
    close(client);
    await up;
    close(server);
  });
  return {
    port: relay.port,
    cancels: () => cancels,
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

Deno.test("postgres() cancels again what a cancel request was ahead of", async () => {
  await using database = await testDatabase();
  await using relay = lateRelay(database.url, "pg_sleep");
  const url = new URL(database.url);
  url.port = String(relay.port);
  await using engine = createEngine(postgres(url.href));
  await using db = sessionmaker(engine)();
  await db.execute("select 1");
  const sleeping = db.execute("select pg_sleep(60)");
  await assertRejects(
    () => db.within(sleeping, { timeout: 1 }),
    ConnectionError,
    "no answer",
  );
  await db.close();
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
  assert(relay.cancels() > 1);
});
