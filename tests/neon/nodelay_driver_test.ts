import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { neonConfig } from "@neondatabase/serverless";
import { pgTable, serial, text } from "drizzle-orm/pg-core";
import { ConnectionError, createEngine, sessionmaker } from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { NodelaySocket } from "../../src/neon/_nodelay_socket.ts";
import { neon, neonWebSocket } from "../../src/neon/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { dialThrough, rawPeer } from "./socket_peer.ts";

const encoder = new TextEncoder();

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull(),
});

Deno.test("neon() writes each flight of an interactive transaction once", async () => {
  await using database = await testDatabase({
    setup: "create table notes (id serial primary key, name text not null)",
  });
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const written: number[] = [];
  class Recorded extends NodelaySocket {
    constructor(url: string) {
      const dial = dialThrough((conn) => ({
        write(bytes) {
          written.push(bytes.length);
          return conn.write(bytes);
        },
      }));
      super(url, dial);
    }
  }
  const engine = createEngine(
    neon(server.url, { transport: "websocket", WebSocket: Recorded }),
  );
  const Session = sessionmaker(engine, { schema: { notes } });
  await Session.begin(async (db) => {
    assertEquals(await db.$count(notes), 0);
    // The handshake; start-up, password and the first flight.
    assertEquals(written.length, 2);
    db.addAll(
      notes,
      Array.from({ length: 20 }, (_, at) => ({ name: `${at}`.repeat(200) })),
    );
  });
  // The rows and COMMIT.
  const [, , work = 0, ...goodbye] = written;
  assert(work > 4_000, `${written}`);
  assert(goodbye.every((size) => size < 20), `${written}`);
  await engine.dispose();
});

Deno.test("neonWebSocket() on Deno is by its own socket, unless one is given", async () => {
  await using peer = rawPeer(async (conn) => {
    await conn.write(encoder.encode("HTTP/1.1 403 Forbidden\r\n\r\n"));
  });
  const { port } = new URL(peer.url);
  const url = `postgres://app:secret@127.0.0.1:${port}/app`;
  await assertRejects(() => neonWebSocket(url).connect());
  // Deno's own names itself there.
  const request = await peer.request;
  assert(!request.toLowerCase().includes("user-agent"), request);
  const asked: string[] = [];
  class Given extends WebSocket {
    constructor(url: string) {
      super(url);
      asked.push(url);
    }
  }
  await assertRejects(() => neonWebSocket(url, { WebSocket: Given }).connect());
  assertEquals(asked, [`ws://127.0.0.1:${port}/v2`]);
});

Deno.test("neonWebSocket() takes the global class where Deno has no startTls()", async () => {
  await using peer = rawPeer(async (conn) => {
    await conn.write(encoder.encode("HTTP/1.1 403 Forbidden\r\n\r\n"));
  });
  const { port } = new URL(peer.url);
  const { startTls } = Deno;
  assert(Reflect.deleteProperty(Deno, "startTls"));
  try {
    const driver = neonWebSocket(`postgres://app@127.0.0.1:${port}/app`);
    await assertRejects(() => driver.connect());
  } finally {
    Object.assign(Deno, { startTls });
  }
  const request = await peer.request;
  assert(request.toLowerCase().includes("user-agent: deno"), request);
});

Deno.test("neon() says what to give it where there is no WebSocket", async () => {
  await using database = await testDatabase();
  await using server = await serveNeon({ backend: database.url, port: 0 });
  await using engine = createEngine(neon(server.url));
  const execute = () =>
    sessionmaker(engine).begin((db) => db.execute("select now()"));
  const { startTls } = Deno;
  const { WebSocket } = globalThis;
  // As on Node 20.
  assert(Reflect.deleteProperty(Deno, "startTls"));
  assert(Reflect.deleteProperty(globalThis, "WebSocket"));
  try {
    const error = await assertRejects(execute, ConnectionError);
    assertEquals(
      [error.code, error.message],
      [
        "CONNECT_FAILED",
        'Cannot open WebSocket: this runtime has none; give neon() the option "WebSocket", such as the class of the package ws',
      ],
    );
    // As the package's documentation says it.
    neonConfig.webSocketConstructor = WebSocket;
    await execute();
  } finally {
    neonConfig.webSocketConstructor = undefined;
    Object.assign(Deno, { startTls });
    Object.assign(globalThis, { WebSocket });
  }
});

const REFUSALS: Readonly<Record<string, [string, string]>> = {
  "a proxy that forbids it": ["HTTP/1.1 403 Forbidden", "status 403"],
  "a proxy without a server": ["HTTP/1.1 502 Bad Gateway", "status 502"],
  "no proxy at all": ["+OK POP3 ready", "server does not speak HTTP/1.1"],
};
for (const [name, [answer, why]] of Object.entries(REFUSALS)) {
  Deno.test(`neonWebSocket() tells of ${name} with a ConnectionError`, async () => {
    await using peer = rawPeer(async (conn) => {
      await conn.write(encoder.encode(`${answer}\r\n\r\n`));
    });
    const { port } = new URL(peer.url);
    const engine = createEngine(
      neonWebSocket(`postgres://app:secret@127.0.0.1:${port}/app`),
    );
    const Session = sessionmaker(engine, { schema: { notes } });
    const error = await assertRejects(
      () => Session.begin((db) => db.$count(notes)),
      ConnectionError,
    );
    assertEquals(error.code, "CONNECT_FAILED");
    assertFalse(error.maybeExecuted);
    assert(error.message.includes(why), error.message);
    assert(!error.message.includes("secret"), error.message);
    await engine.dispose();
  });
}
