import { Buffer } from "node:buffer";
import { assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { cancelRequest } from "../../src/dev/_messages.ts";
import { connectClient, testEndpoint, withPassword } from "./neon_client.ts";
import {
  extended,
  message,
  openTunnel,
  packet,
  password,
  startUp,
} from "./raw_tunnel.ts";

const SSL_REQUEST = packet(80_877_103, new Uint8Array());

Deno.test("a WebSocket takes start-up, password and a transaction in one frame", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const { database, server } = endpoint;
  await using tunnel = await openTunnel(server);

  tunnel.send(Buffer.concat([
    startUp(server.url),
    password(server.url),
    extended("begin"),
    extended("insert into t values (1)"),
    extended("commit"),
    message("S", ""),
  ]));

  assertEquals((await tunnel.readUntil("R")).last.bytes.readInt32BE(5), 3);
  assertEquals((await tunnel.readUntil("R")).last.bytes.readInt32BE(5), 0);
  assertEquals((await tunnel.readUntil("Z")).types.replace(/S+/, "S"), "SKZ");
  assertEquals((await tunnel.readUntil("Z")).types, "12nC12nC12nCZ");
  assertEquals(await database.query("select a from t"), [{ a: 1 }]);
});

Deno.test("a WebSocket is a byte stream, on any path, and refuses encryption", async () => {
  await using endpoint = await testEndpoint();
  const { server } = endpoint;
  await using tunnel = await openTunnel(server, "/anything?address=x:5432");

  tunnel.send(SSL_REQUEST);
  assertEquals(await tunnel.readByte(), "N");
  const bytes = Buffer.concat([
    startUp(server.url),
    password(server.url),
    message("Q", "select 1\0"),
  ]);
  for (const byte of bytes) tunnel.send(Uint8Array.of(byte));

  await tunnel.readUntil("Z");
  assertEquals((await tunnel.readUntil("Z")).types, "TDCZ");
});

Deno.test("a WebSocket with a wrong password gets PostgreSQL's error and is closed", async () => {
  await using endpoint = await testEndpoint();
  const url = withPassword(endpoint.server.url, "wrong");
  await using tunnel = await openTunnel(endpoint.server);

  tunnel.send(Buffer.concat([startUp(url), password(url)]));

  const { last } = await tunnel.readUntil("E");
  assertStringIncludes(last.bytes.toString(), "C28P01\0");
  assertStringIncludes(last.bytes.toString(), "SFATAL\0");
  await tunnel.closed;
});

Deno.test("a WebSocket is closed after a text frame or nonsense", async () => {
  await using endpoint = await testEndpoint();
  await using textual = await openTunnel(endpoint.server);
  textual.send("text");
  assertEquals((await textual.closed).code, 1003);

  await using nonsense = await openTunnel(endpoint.server);
  nonsense.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await nonsense.readUntil("E");
  await nonsense.closed;
});

Deno.test("a CancelRequest over a WebSocket of its own cancels the statement", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  await using tunnel = await openTunnel(server);
  tunnel.send(Buffer.concat([startUp(server.url), password(server.url)]));
  const { last } = await tunnel.readUntil("K");
  await tunnel.readUntil("Z");

  tunnel.send(message("Q", "select pg_sleep(60)\0"));
  await database.waitFor(async () => await database.openTransactions() === 1);
  await using canceller = await openTunnel(server);
  canceller.send(
    cancelRequest(last.bytes.readInt32BE(5), last.bytes.readInt32BE(9)),
  );

  await canceller.closed;
  const { last: error } = await tunnel.readUntil("E");
  assertStringIncludes(error.bytes.toString(), "C57014\0");
  await tunnel.readUntil("Z");
});

Deno.test("a WebSocket that goes away ends its backend, also in a statement", async () => {
  await using endpoint = await testEndpoint({
    setup: "create table t (a int)",
  });
  const { database, server } = endpoint;
  for (const last of ["select 1", "select pg_sleep(60)"]) {
    const { client } = await connectClient(server.url);
    await client.query("begin");
    await client.query("insert into t values (1)");
    const running = client.query(last).catch(String);
    if (last !== "select 1") {
      await database.waitFor(async () =>
        (await database.query(
          "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
        )).length === 1
      );
    }
    await client.end();
    await running;
    await database.waitFor(async () => await database.connections() === 0);
  }
  assertEquals(await database.query("select * from t"), []);
});

Deno.test("a WebSocket that leaves while it logs in leaves nothing", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  {
    await using tunnel = await openTunnel(server);
    tunnel.send(Buffer.concat([startUp(server.url), password(server.url)]));
  }
  await server.close();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("a WebSocket carries answers of many megabytes", async () => {
  await using endpoint = await testEndpoint();
  await using connected = await connectClient(endpoint.server.url);
  const { rows } = await connected.client.query(
    "select repeat('x', 1000) as text from generate_series(1, 20000)",
  );
  assertEquals(rows.length, 20_000);
  const long = "y".repeat(5_000_000);
  const { rows: [row] } = await connected.client.query(
    "select length($1) as length",
    [long],
  );
  assertEquals(row, { length: long.length });
});

Deno.test("a WebSocket that has more to send than its backend reads is closed with it", async () => {
  await using endpoint = await testEndpoint();
  const { database, server } = endpoint;
  await using tunnel = await openTunnel(server);
  tunnel.send(Buffer.concat([startUp(server.url), password(server.url)]));
  await tunnel.readUntil("Z");

  tunnel.send(message("Q", "select pg_sleep(60)\0"));
  const long = message("Q", `select '${"x".repeat(1_000_000)}'\0`);
  for (let i = 0; i < 30; i++) tunnel.send(long);
  await database.waitFor(async () => await database.openTransactions() === 1);
  await database.terminateAll();

  await tunnel.closed;
});

Deno.test("idle() waits for a goodbye that was not answered", async () => {
  await using endpoint = await testEndpoint();
  const { server } = endpoint;
  await server.idle();
  const socket = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  const buffer = new Uint8Array(1_000);
  await socket.write(
    new TextEncoder().encode(
      "GET /v2 HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n" +
        "connection: upgrade\r\nsec-websocket-version: 13\r\n" +
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ),
  );
  await socket.read(buffer);
  let isIdle = false;
  const idle = server.idle().then(() => isIdle = true);
  // A text frame, which is answered with a goodbye.
  await socket.write(new Uint8Array([0x81, 0x80, 0, 0, 0, 0]));
  await socket.read(buffer);
  assertFalse(isIdle);
  socket.close();
  await idle;
});
