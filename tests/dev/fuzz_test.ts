import { assert, assertEquals } from "@std/assert";
import { serveNeon } from "../../src/dev/mod.ts";
import type { NeonServer } from "../../src/dev/serve_neon.ts";
import {
  checkTransactionOptions,
  type TransactionOptions,
} from "../../src/driver/transaction_sql.ts";
import { parseConnectionUrl } from "../../src/driver/url.ts";
import { createEngine, QueuePool, sessionmaker } from "../../mod.ts";
import { recordingDriver } from "../../src/testing/mod.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Random, seeded, testSeed } from "../support/random.ts";
import { postSql } from "./sql_http.ts";

/** How many inputs; `deno task soak` sends 100,000. */
const INPUTS = Number(Deno.env.get("NULLPOOL_TEST_FUZZ") ?? 3_000);

const seed = testSeed();

function bytes(random: Random, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => random(256));
}

function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[random(from.length)] ?? from[0];
}

/** JSON of any shape, mostly with the names that are asked for. */
function anyJson(random: Random, depth = 0): unknown {
  const leaves = [
    null,
    random(2) === 0,
    random(1_000) - 500,
    1e308,
    "",
    "select 1",
    "\u0000",
    "\ud800",
    "x".repeat(random(300)),
  ] as const;
  if (depth > 4 || random(3) === 0) return pick(random, leaves);
  if (random(3) === 0) {
    return Array.from({ length: random(5) }, () => anyJson(random, depth + 1));
  }
  const names = ["query", "params", "queries", "arrayMode", "__proto__", "x"];
  return Object.fromEntries(
    names.filter(() => random(2) === 0)
      .map((name) => [name, anyJson(random, depth + 1)]),
  );
}

/** A valid request with some of its bytes replaced. */
function damaged(random: Random): Uint8Array<ArrayBuffer> {
  const whole = new TextEncoder().encode(
    JSON.stringify({ queries: [{ query: "select $1::int", params: ["1"] }] }),
  );
  for (let n = random(6); n >= 0; n--) {
    whole[random(whole.length)] = random(256);
  }
  return whole.slice(0, random(whole.length + 1));
}

const HEADERS = [
  "neon-raw-text-output",
  "neon-array-mode",
  "neon-batch-isolation-level",
  "neon-batch-read-only",
  "neon-batch-deferrable",
  "neon-pool-opt-in",
  "authorization",
] as const;

async function askAnything(server: NeonServer, random: Random): Promise<void> {
  const body = pick(random, [
    () => bytes(random, random(200)),
    () => damaged(random),
    () => JSON.stringify(anyJson(random)),
  ])();
  const isKnown = random(8) > 0;
  const response = await fetch(`http://127.0.0.1:${server.port}/sql`, {
    method: "POST",
    body,
    headers: {
      "neon-connection-string": isKnown
        ? server.url
        : pick(random, ["", "postgres://", "x", `${server.url}x`]),
      [pick(random, HEADERS)]: pick(random, ["true", "", "Serializable", "é"]),
    },
  });
  const text = await response.text();
  assert(response.status < 600, text);
  JSON.parse(text);
}

/** The bytes of a socket, until somebody closes it. */
async function speakAnything(
  server: NeonServer,
  random: Random,
): Promise<void> {
  const socket = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  const start = pick(random, [
    "POST /sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20\r\n\r\n{",
    "GET /v2 HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\n\r\n",
    "",
  ]);
  const reading = (async () => {
    const buffer = new Uint8Array(4_096);
    while (await socket.read(buffer) !== null);
  })().catch(() => {});
  try {
    await socket.write(new TextEncoder().encode(start));
    await socket.write(bytes(random, 1 + random(300)));
    await socket.closeWrite();
  } catch {
    // It was closed before.
  }
  await Promise.race([
    reading,
    new Promise((resolve) => setTimeout(resolve, 20)),
  ]);
  socket.close();
  await reading;
}

/** A login, and then frames of any bytes. */
async function tunnelAnything(
  server: NeonServer,
  random: Random,
): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v2`);
  socket.binaryType = "arraybuffer";
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.onerror = () => {};
  await Promise.race([
    new Promise((resolve) => socket.onopen = resolve),
    closed,
  ]);
  for (let n = random(4); n >= 0 && socket.readyState === 1; n--) {
    const frame = bytes(random, random(80));
    // Often with a length in front that is one.
    if (random(2) === 0 && frame.length > 8) {
      new DataView(frame.buffer).setInt32(0, frame.length);
      if (random(2) === 0) new DataView(frame.buffer).setInt32(4, 196608);
    }
    socket.send(random(5) === 0 ? "text" : frame);
  }
  socket.close();
  await closed;
}

Deno.test(`serveNeon() bears ${INPUTS} inputs that make no sense`, async () => {
  await using database = await testDatabase();
  await using server = await serveNeon({
    backend: database.url,
    port: 0,
    maxBytes: 100_000,
  });
  const random = seeded(seed);
  const numbers = Array.from({ length: INPUTS }, (_, at) => at).values();
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const n of numbers) {
      if (n % 20 === 0) await tunnelAnything(server, random);
      else if (n % 20 < 4) await speakAnything(server, random);
      else await askAnything(server, random);
    }
  }));
  const { status, json } = await postSql(server, {
    query: "select 1 as one",
    params: [],
  });
  assertEquals([status, json.rows], [200, [{ one: 1 }]]);
  await server.close();
  await database.waitFor(async () => await database.connections() === 0);
});

/** Runs something that may only refuse in words of ours. */
function refusesOnly(run: () => unknown, marker: string): void {
  try {
    run();
  } catch (error) {
    const isOurs = error instanceof TypeError || error instanceof RangeError;
    assert(isOurs && error.message.startsWith("Cannot "), String(error));
    assert(!error.message.includes(marker), error.message);
  }
}

Deno.test(`the parsers of URLs and options bear ${INPUTS} inputs each`, () => {
  const random = seeded(seed);
  const engine = createEngine(recordingDriver());
  const marker = "m4rk3r";
  const parts = [
    "postgres:",
    "postgresql://",
    "//",
    "user:",
    `${marker}@`,
    "host",
    "[::1]",
    ":5432",
    ":99999",
    "/db",
    "%",
    "%00",
    "%zz",
    "?sslmode=",
    "&",
    "#",
    "\u0000",
    " ",
    "💾",
  ] as const;
  const values = [
    undefined,
    null,
    0,
    -1,
    Number.NaN,
    Infinity,
    "",
    marker,
    {},
    [],
    Symbol(marker),
    () => marker,
  ] as const;
  const names = [
    "isolationLevel",
    "readOnly",
    "deferrable",
    "interactive",
    "statementTimeout",
    "transactionTimeout",
    "lostCommit",
    "signal",
  ] as const;
  for (let n = 0; n < INPUTS; n++) {
    const url = Array.from({ length: random(8) }, () => pick(random, parts));
    refusesOnly(() => parseConnectionUrl(url.join("")), marker);
    const options = JSON.parse("{}");
    for (const name of names) {
      if (random(3) === 0) options[name] = pick(random, values);
    }
    const given: TransactionOptions = options;
    refusesOnly(() => checkTransactionOptions(given), marker);
    refusesOnly(() => sessionmaker(engine, { transaction: given }), marker);
    const size = pick(random, values);
    refusesOnly(
      () =>
        new QueuePool(recordingDriver(), {
          ...(size !== undefined && { poolSize: size as number }),
        }),
      marker,
    );
  }
});
