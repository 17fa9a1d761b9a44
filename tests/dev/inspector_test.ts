import { assert, assertEquals, assertThrows } from "@std/assert";
import { sql } from "drizzle-orm";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { createServer, type IncomingMessage } from "node:http";
import {
  createEngine,
  type Engine,
  type EngineOptions,
  type Sessionmaker,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import {
  InspectorFeed,
  type InspectorMessage,
} from "../../src/dev/_inspector_feed.ts";
import { InspectorLog } from "../../src/dev/_inspector_log.ts";
import { inspector, type InspectorOptions } from "../../src/dev/mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";

const PATH = "/_nullpool";

function devEngine(options: EngineOptions = {}): Engine {
  return createEngine(recordingDriver(), { mode: "development", ...options });
}

/** An app with an inspector, really served. */
interface Served extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly engine: Engine;
  readonly Session: Sessionmaker;
  readonly server: Deno.HttpServer;
}

function serve(
  { engine: engineOptions, ...options }: InspectorOptions & {
    readonly engine?: EngineOptions;
  } = {},
): Served {
  const engine = devEngine(engineOptions);
  const Session = sessionmaker(engine);
  const app = new Hono<{ Variables: SessionVariables }>();
  app.route(PATH, inspector(engine, options));
  app.use(dbSession(Session));
  app.get("/orders/:id", async (c) => {
    await c.var.db.execute(sql`select ${c.req.param("id")}`);
    return c.text("an order");
  });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    app.fetch,
  );
  const { port } = server.addr;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    engine,
    Session,
    server,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Reads messages of a stream. */
class Reader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  /** Everything that was sent. */
  all = "";

  constructor(body: ReadableStream<Uint8Array> | null) {
    assert(body !== null);
    this.#reader = body.pipeThrough(
      new TextDecoderStream() as TransformStream<Uint8Array, string>,
    ).getReader();
  }

  /** The next one; nothing at the end. */
  async next(): Promise<InspectorMessage | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const { value, done } = await this.#reader.read();
        if (done) return undefined;
        this.#text += value;
        this.all += value;
        continue;
      }
      const [, data] = /^data: (.*)$/m.exec(this.#text.slice(0, end)) ?? [];
      this.#text = this.#text.slice(end + 2);
      if (data !== undefined) return JSON.parse(data);
    }
  }

  /** Reads until a message has what is wanted. */
  async until(
    isWanted: (message: InspectorMessage) => boolean,
  ): Promise<InspectorMessage> {
    for (;;) {
      const message = await this.next();
      assert(message !== undefined, "The stream has ended");
      if (isWanted(message)) return message;
    }
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

async function snapshotOf(url: string): Promise<InspectorMessage> {
  return await (await fetch(`${url}${PATH}/snapshot`)).json();
}

Deno.test("inspector() refuses an engine in production, unless it is forced", () => {
  const engine = createEngine(recordingDriver());
  const error = assertThrows(() => inspector(engine), StateError);
  assertEquals(error.code, "INSPECTOR_REFUSED");
  assert(inspector(engine, { force: true }) instanceof Hono);
  assertThrows(
    () => inspector(devEngine(), { keep: 0 }),
    RangeError,
    'option "keep"',
  );
});

Deno.test("inspector() sends a page that is its own, and never stored", async () => {
  await using served = serve();
  const page = await fetch(served.url + PATH);
  const text = await page.text();
  assertEquals(page.status, 200);
  assertEquals(page.headers.get("cache-control"), "no-store");
  assertEquals(page.headers.get("x-content-type-options"), "nosniff");
  const policy = page.headers.get("content-security-policy") ?? "";
  const [, nonce] = /script-src 'nonce-([\w-]{36})'/.exec(policy) ?? [];
  assert(policy.startsWith("default-src 'none';"));
  assert(nonce !== undefined && text.includes(`nonce="${nonce}"`));
  const again = await fetch(served.url + PATH);
  assert(!(await again.text()).includes(nonce));
  for (const path of ["/snapshot", "/lanes/7/values", "/nowhere"]) {
    const answer = await fetch(served.url + PATH + path);
    await answer.body?.cancel();
    assertEquals(answer.headers.get("cache-control"), "no-store", path);
  }
});

Deno.test("inspector() streams what sessions do while they do it", async () => {
  await using served = serve();
  const answer = await fetch(`${served.url}${PATH}/stream`);
  assertEquals(answer.headers.get("content-type"), "text/event-stream");
  const reader = new Reader(answer.body);
  const first = await reader.next();
  assertEquals(first?.lanes, []);
  assertEquals(first?.about?.mode, "development");
  assertEquals(first?.database, served.engine.driver.describe());
  assert(first?.about?.hasValues === false);
  assertEquals(first?.status.checkedOut, 0);

  const db = served.Session({ name: "a long one" });
  await db.execute("insert into t values (1)");
  const running = await reader.until(({ lanes }) =>
    (lanes[0]?.steps.length ?? 0) > 0
  );
  assertEquals(running.lanes[0]?.name, "a long one");
  assert(running.lanes[0]?.isOpen);
  assertEquals(running.status.checkedOut, 1);
  await db.commit();
  await db.close();
  const done = await reader.until(({ lanes }) =>
    lanes[0]?.closedAt !== undefined
  );
  assertEquals(
    done.lanes[0]?.steps.map(({ kind }) => kind).filter((kind) =>
      kind !== "wait" && kind !== "idle"
    ),
    ["connect", "begin", "statement", "commit", "close"],
  );

  const order = await fetch(`${served.url}/orders/7`);
  assertEquals(await order.text(), "an order");
  const request = await reader.until(({ lanes }) =>
    lanes.some((lane) => lane.request !== undefined)
  );
  assertEquals(request.lanes[0]?.request?.route, "/orders/:id");
  assertEquals(request.lanes[0]?.request?.status, 200);
  await reader.cancel();
});

Deno.test("inspector() has no lane for its own requests, wherever it is mounted", async () => {
  const engine = devEngine();
  const app = new Hono();
  app.use(dbSession(sessionmaker(engine)));
  app.route(PATH, inspector(engine, { authorize: () => true }));
  app.get("/", (c) => c.text("hello"));
  await app.request("/");
  for (const path of ["", "/snapshot", "/lanes/1/values"]) {
    await app.request(PATH + path);
  }
  const snapshot: InspectorMessage = await (await app.request(
    `${PATH}/snapshot`,
  )).json();
  assertEquals(snapshot.lanes.map(({ request }) => request?.route), ["/"]);
  await engine.dispose();
});

Deno.test("inspector() gives values to who asks for them, and to nobody else", async () => {
  await using served = serve({ engine: { exposeParameters: true } });
  const answer = await fetch(`${served.url}${PATH}/stream`);
  const reader = new Reader(answer.body);
  await (await fetch(`${served.url}/orders/secret-7`)).text();
  await reader.until(({ lanes }) => lanes[0]?.closedAt !== undefined);
  await reader.cancel();
  assert(!reader.all.includes("secret-7"));
  const snapshot = await snapshotOf(served.url);
  assert(!JSON.stringify(snapshot).includes("secret-7"));
  assert(snapshot.about?.hasValues);
  const at = snapshot.lanes[0]?.steps.findIndex(({ kind }) =>
    kind === "statement"
  );
  const values = await fetch(`${served.url}${PATH}/lanes/1/values`);
  assertEquals(await values.json(), { [`${at}`]: ['"secret-7"'] });
});

/** The status of a request with these headers, sent as it is. */
async function rawStatus(
  port: number,
  headers: readonly string[],
): Promise<string> {
  using socket = await Deno.connect({ hostname: "127.0.0.1", port });
  const lines = [`GET ${PATH}/snapshot HTTP/1.1`, ...headers, "", ""];
  await socket.write(new TextEncoder().encode(lines.join("\r\n")));
  const buffer = new Uint8Array(200);
  const length = await socket.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, length)).slice(9, 12);
}

Deno.test("inspector() answers this machine alone, under its own names, through no proxy", async () => {
  await using served = serve();
  const cases: [string[], string][] = [
    [["host: localhost"], "200"],
    [["host: 127.0.0.1:8000"], "200"],
    [["host: [::1]"], "200"],
    // A page that lets its own name lead here (DNS rebinding).
    [["host: evil.example"], "403"],
    [["host: localhost", "x-forwarded-for: 203.0.113.9"], "403"],
    [["host: localhost", "forwarded: for=203.0.113.9"], "403"],
    [["host: localhost", "via: 1.1 proxy"], "403"],
  ];
  for (const [headers, status] of cases) {
    assertEquals(await rawStatus(served.port, headers), status, `${headers}`);
  }
});

Deno.test("inspector() refuses what the page of another server asks, whatever the app allows", async () => {
  const app = new Hono();
  app.use(cors());
  app.route(PATH, inspector(devEngine()));
  const info = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1" } };
  const cases: [string | undefined, number][] = [
    [undefined, 200],
    ["http://localhost:8000", 200],
    ["http://LOCALHOST:8000", 200],
    ["http://localhost:3000", 403],
    ["https://localhost.evil.example", 403],
    ["https://evil.example", 403],
    ["null", 403],
  ];
  for (const [origin, status] of cases) {
    const headers = { host: "localhost:8000", ...(origin && { origin }) };
    const url = `http://localhost:8000${PATH}/snapshot`;
    const answer = await app.request(url, { headers }, info);
    assertEquals(answer.status, status, origin);
  }
});

Deno.test("inspector() begins no stream for who asks for its headers", async () => {
  await using served = serve();
  const url = `${served.url}${PATH}/stream`;
  for (let n = 0; n < 30; n++) {
    const answer = await fetch(url, { method: "HEAD" });
    assertEquals(answer.status, 200);
    assertEquals(answer.headers.get("content-type"), "text/event-stream");
  }
  const answer = await fetch(url);
  await answer.body?.cancel();
  assertEquals(answer.status, 200);
});

Deno.test("inspector() believes what each runtime says of the other end, and refuses where none does", async () => {
  const app = inspector(devEngine());
  const url = "http://localhost/snapshot";
  function bun(address: string) {
    return { requestIP: () => ({ address, family: "IPv4", port: 1 }) };
  }
  const cases: [unknown, number][] = [
    [{ remoteAddr: { transport: "tcp", hostname: "127.0.0.1" } }, 200],
    [{ remoteAddr: { transport: "tcp", hostname: "::1" } }, 200],
    [{ remoteAddr: { transport: "tcp", hostname: "192.0.2.7" } }, 403],
    [{ remoteAddr: { transport: "tcp", hostname: "127.0.0.1.evil" } }, 403],
    [{ remoteAddr: { transport: "unix", path: "app.sock" } }, 403],
    [{ incoming: { socket: { remoteAddress: "::ffff:127.0.0.1" } } }, 200],
    [{ incoming: { socket: { remoteAddress: "::ffff:192.0.2.7" } } }, 403],
    [bun("127.0.0.1"), 200],
    [{ server: bun("127.0.0.1") }, 200],
    [{ server: bun("192.0.2.7") }, 403],
    [{}, 403],
    [undefined, 403],
  ];
  for (const [env, status] of cases) {
    const headers = { host: "localhost" };
    const answer = await app.request(url, { headers }, env as object);
    assertEquals(answer.status, status, JSON.stringify(env));
  }
});

Deno.test("inspector() knows the other end of Node's requests", async () => {
  const app = inspector(devEngine());
  const statuses = new Promise<number>((resolve) => {
    const server = createServer((incoming: IncomingMessage, outgoing) => {
      const headers = { host: incoming.headers.host ?? "" };
      void Promise.resolve(
        app.request("http://localhost/snapshot", { headers }, { incoming }),
      ).then((answer) => {
        outgoing.end();
        server.close(() => resolve(answer.status));
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      void fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text());
    });
  });
  assertEquals(await statuses, 200);
});

Deno.test("inspector() lets in whom `authorize` lets in, and nobody else", async () => {
  const headers = { host: "dev.example" };
  for (const mayLook of [true, false]) {
    const app = inspector(devEngine(), {
      authorize: (c) => Promise.resolve(mayLook && c.req.path !== "/stream"),
    });
    const page = await app.request("http://dev.example/", { headers });
    assertEquals(page.status, mayLook ? 200 : 403);
    const stream = await app.request("http://dev.example/stream", { headers });
    assertEquals(stream.status, 403);
    await stream.body?.cancel();
    await page.body?.cancel();
  }
});

Deno.test("inspector() does not listen where its signal has fired already", () => {
  const engine = createEngine(recordingDriver(), { mode: "development" });
  inspector(engine, { signal: AbortSignal.abort() });
  assert(!engine.hears("statement"));
});

Deno.test("inspector() ends its streams on a signal, so that a server can be shut down", async () => {
  const abort = new AbortController();
  const served = serve({ signal: abort.signal });
  const answer = await fetch(`${served.url}${PATH}/stream`);
  const reader = new Reader(answer.body);
  await reader.next();
  abort.abort();
  assertEquals(await reader.next(), undefined);
  await (await fetch(`${served.url}/orders/1`)).text();
  assertEquals((await snapshotOf(served.url)).lanes, []);
  const late = await fetch(`${served.url}${PATH}/stream`);
  assertEquals(late.status, 503);
  await late.body?.cancel();
  // It would wait for a stream that does not end.
  await served.server.shutdown();
  await served.engine.dispose();
});

Deno.test("inspector() keeps no engine alive, and no page that has gone", async () => {
  const engine = devEngine();
  const app = inspector(engine, { authorize: () => true });
  for (let n = 0; n < 50; n++) {
    // More than may be open at once, one after the other.
    const answer = await app.request("/stream");
    assertEquals(answer.status, 200);
    const reader = new Reader(answer.body);
    await reader.next();
    await reader.cancel();
  }
  const open: Response[] = [];
  for (let n = 0; n < 21; n++) open.push(await app.request("/stream"));
  assertEquals(open.map(({ status }) => status).lastIndexOf(200), 19);
  assertEquals(open.at(-1)?.status, 503);
  await engine.dispose();
  await Promise.all(open.map(({ body }) => body?.cancel()));
});

Deno.test("a page that reads slowly costs no memory, and is sent what is there when it reads", async () => {
  const log = new InspectorLog(20);
  const status = devEngine().status();
  let ends = 0;
  const about = {
    mode: "",
    capacity: undefined,
    hasValues: false,
    epoch: 0,
  };
  const feed = new InspectorFeed(
    { log, about: () => about, state: () => ({ status, database: "" }) },
    () => ends++,
  );
  const reader = new Reader(feed.stream());
  await reader.next();
  for (let n = 1; n <= 20_000; n++) {
    const session = { name: `session ${n}` };
    log.take({ type: "sessionOpen", session, place: "" }, n);
    log.take({
      type: "sessionClose",
      session,
      statements: 0,
      roundTrips: 0,
    }, n);
    assert(feed.size <= 1_001);
  }
  const message = await reader.next();
  assertEquals(message?.lanes.length, 20);
  assertEquals(message?.lanes.at(-1)?.name, "session 20000");
  assertEquals(message?.first, 19_981);
  assertEquals(feed.size, 0);
  await reader.cancel();
  assertEquals(ends, 1);
  log.take({ type: "sessionOpen", session: { name: "late" }, place: "" }, 0);
  assertEquals(feed.size, 0);
});
