import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  ConnectionError,
  createEngine,
  type Sessionmaker,
  sessionmaker,
} from "../../mod.ts";
import { errorResponse } from "../../src/dev/_messages.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { joinChunks } from "../../src/wire/frontend.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { pgbouncerProgram, startPgBouncer } from "../support/pgbouncer.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { startRawWorkerd } from "../support/raw_workerd.ts";
import { type WireCounter, wireCounter } from "../support/wire_counter.ts";
import { flightsOf } from "./login_flights.ts";
import {
  atFirst,
  careless,
  messagesIn,
  only,
  replaced,
  type Rewrite,
  strict,
  twice,
} from "./login_faults.ts";
import { loginRelay } from "./login_relay.ts";

const YES = true;

/** Start-up; the first message of SCRAM; its last one; the statement. */
const SLOW = 4;
/** Start-up and the first message; the last one and the statement. */
const FAST = 2;

async function answer(Session: Sessionmaker): Promise<unknown> {
  return await Session.begin(async (db) => {
    const { rows } = await db.execute("select 42 as n");
    return rows[0]?.n;
  });
}

/** The next session logs in along with its work. */
async function assertFast(
  database: TestDatabase,
  { Session, counter }: { Session: Sessionmaker; counter: WireCounter },
): Promise<void> {
  // The farewells of the others are behind it.
  await database.waitFor(async () => await database.connections() === 0);
  await using db = Session();
  counter.take();
  await db.execute("select 1");
  assertEquals(counter.take().flights, FAST);
}

Deno.test("postgres() needs two round trips less for a login once it knows the server", async () => {
  await using database = await testDatabase();
  assertEquals(await flightsOf(database.url, 4), [SLOW, FAST, FAST, FAST]);
});

Deno.test("postgres() needs two round trips less on workerd as well", async () => {
  const contents = await bundleWorker("tests/postgres/login_worker.ts", {
    tcp: true,
  });
  await using database = await testDatabase();
  await using counter = wireCounter(database.url);
  const url = Object.assign(new URL(database.url), { port: counter.port });
  await using worker = await startRawWorkerd(contents, {
    POSTGRES_URL: url.href,
  });
  const found: number[] = [];
  for (let i = 0; i < 4; i++) {
    const response = await fetch(`http://127.0.0.1:${worker.port}/`);
    assertEquals(await response.text(), "in");
    await database.waitFor(async () => await database.connections() === 0);
    found.push(counter.take().flights);
  }
  // COMMIT and the farewell.
  assertEquals(found, [SLOW, FAST, FAST, FAST].map((flights) => flights + 2));
});

Deno.test("postgres() says nothing early to what cannot pipeline", async () => {
  await using database = await testDatabase();
  assertEquals(
    await flightsOf(database.url, 3, { pipeline: false }),
    // One more for BEGIN.
    [SLOW + 1, SLOW + 1, SLOW + 1],
  );
});

for (
  const [name, faults] of Object.entries({
    "throws away what comes early": careless,
    "throws away what comes with a start-up": atFirst(careless),
    "hangs up on what comes early": strict,
    "hangs up on what comes with a start-up": atFirst(strict),
  })
) {
  Deno.test(`postgres() finds out that a pooler ${name}, and fails nobody`, async () => {
    await using database = await testDatabase();
    await using relay = loginRelay(database.url);
    relay.faults = { client: faults };
    const url = relay.urlOf(database.url);
    const [, , ...known] = await flightsOf(url, 4);
    assertEquals(known, [SLOW, SLOW]);
    await using engine = createEngine(postgres(url));
    const Session = sessionmaker(engine);
    for (let batch = 0; batch < 3; batch++) {
      const all = Array.from({ length: 20 }, () => answer(Session));
      assertEquals(await Promise.all(all), all.map(() => 42));
    }
  });
}

/** What begins to stand there, and what becomes of the first one. */
const CHANGES: readonly (readonly [string, Rewrite, unknown])[] = [
  ["throws away", atFirst(careless), 42],
  // As it would be cut off by a server that ends.
  ["hangs up on", atFirst(strict), "CONNECT_FAILED"],
];

for (const [name, client, first] of CHANGES) {
  Deno.test(`postgres() finds out that a pooler now ${name} what comes early`, async () => {
    await using database = await testDatabase();
    await using relay = loginRelay(database.url);
    await using counter = wireCounter(relay.urlOf(database.url));
    const url = Object.assign(new URL(database.url), { port: counter.port });
    await using engine = createEngine(
      postgres(url.href, { connectTimeout: 4_000 }),
    );
    const Session = sessionmaker(engine);
    for (let i = 0; i < 3; i++) await answer(Session);
    relay.faults = { client };
    const come = await answer(Session).catch(({ code }) => code);
    assertEquals(come, first);
    assertEquals(await answer(Session), 42);
    // What stood there before comes back, and is found out anew.
    relay.faults = {};
    for (let i = 0; i < 2; i++) assertEquals(await answer(Session), 42);
    await assertFast(database, { Session, counter });
  });
}

Deno.test("postgres() learns nothing of a login that was called off", async () => {
  await using database = await testDatabase();
  await using relay = loginRelay(database.url);
  await using counter = wireCounter(relay.urlOf(database.url));
  const url = Object.assign(new URL(database.url), { port: counter.port });
  await using engine = createEngine(postgres(url.href));
  const Session = sessionmaker(engine);
  for (let i = 0; i < 2; i++) {
    const leaving = new AbortController();
    relay.faults = {
      client: (bytes) => {
        leaving.abort();
        return bytes;
      },
    };
    await assertRejects(() =>
      Session({ transaction: { signal: leaving.signal } }).execute("select 1")
    );
    relay.faults = {};
    await answer(Session);
  }
  await assertFast(database, { Session, counter });
});

Deno.test("postgres() learns nothing of a server that lets nobody in", async () => {
  await using database = await testDatabase();
  const role = await database.createRole();
  await using counter = wireCounter(database.url);
  const url = Object.assign(new URL(role.url), { port: counter.port });
  await using engine = createEngine(postgres(url.href));
  const Session = sessionmaker(engine);
  const attempts: number[] = [];
  for (let i = 0; i < 3; i++) {
    counter.take();
    await database.query(`alter role ${role.name} nologin`);
    const { code } = await assertRejects(
      () => answer(Session),
      ConnectionError,
    );
    assertEquals(code, "CONNECT_FAILED");
    attempts.push(counter.take().connections);
    await database.query(`alter role ${role.name} login`);
    await answer(Session);
  }
  // The first one had said something early that may have been the cause.
  assertEquals(attempts, [2, 1, 1]);
  await assertFast(database, { Session, counter });
});

Deno.test("postgres() logs in as often as it must where a password is wrong", async () => {
  await using database = await testDatabase();
  await using counter = wireCounter(database.url);
  const url = Object.assign(new URL(database.url), {
    port: counter.port,
    password: "wrong",
  });
  await using engine = createEngine(postgres(url.href));
  const attempts: number[] = [];
  for (let i = 0; i < 5; i++) {
    await assertRejects(() => answer(sessionmaker(engine)), ConnectionError);
    attempts.push(counter.take().connections);
  }
  assertEquals(attempts, [2, 2, 2, 1, 1]);
});

/** As a server asks for another login than SCRAM, or for none. */
function authentication(kind: number): Uint8Array {
  const salt = kind === 5 ? [1, 2, 3, 4] : [];
  const text = [0, 0, 0, 8 + salt.length, 0, 0, 0, kind, ...salt];
  return Uint8Array.of("R".charCodeAt(0), ...text);
}

const REFUSAL = errorResponse({ message: "no", code: "28P01" });

for (const asks of [3, 5, 0]) {
  Deno.test(`postgres() tries once more where early words were refused behind a login of kind ${asks}`, async () => {
    await using database = await testDatabase();
    await using relay = loginRelay(database.url);
    await using engine = createEngine(postgres(relay.urlOf(database.url)));
    const Session = sessionmaker(engine);
    await answer(Session);
    let attempts = 0;
    relay.faults = {
      client: (bytes) => {
        if (bytes[0] === 0) attempts++;
        return bytes;
      },
      server: (bytes) =>
        attempts === 1 ? joinChunks([authentication(asks), REFUSAL]) : bytes,
    };
    assertEquals(await answer(Session), 42);
    assertEquals(attempts, 2);
    assertEquals(await answer(Session), 42);
    assertEquals(attempts, 3);
  });
}

Deno.test("postgres() derives the keys of a password once", async () => {
  await using database = await testDatabase();
  const { subtle } = crypto;
  const derive = subtle.deriveBits;
  let derived = 0;
  function counting(...args: Parameters<typeof derive>): Promise<ArrayBuffer> {
    derived++;
    return derive.apply(subtle, args);
  }
  subtle.deriveBits = counting;
  try {
    await flightsOf(database.url, 4);
  } finally {
    subtle.deriveBits = derive;
  }
  assertEquals(derived, 1);
});

Deno.test("postgres() logs in with whatever password there is", async () => {
  await using database = await testDatabase();
  const role = await database.createRole();
  const url = new URL(role.url);
  // Half-width, a space that is none, what nobody sees, and what has two forms.
  for (
    const password of [
      "p@ss:/?#%",
      "ｶﾞ",
      "a\u00a0b\u00adc",
      "e\u0301\u00e9",
      "😀ｶﾞ",
      "👨‍👩‍👧",
      "\u00AD",
    ]
  ) {
    await database.query(`alter role ${role.name} password '${password}'`);
    url.password = encodeURIComponent(password);
    await using engine = createEngine(postgres(url.href));
    assertEquals(await answer(sessionmaker(engine)), 42);
  }
});

/** What a session comes to where a server says something else than it should. */
async function failureBehind(
  server: Rewrite,
  isKnown: boolean,
): Promise<ConnectionError> {
  await using database = await testDatabase();
  await using relay = loginRelay(database.url);
  await using engine = createEngine(postgres(relay.urlOf(database.url)));
  const Session = sessionmaker(engine);
  if (isKnown) { for (let i = 0; i < 3; i++) await answer(Session); }
  relay.faults = { server };
  await using db = Session();
  const error = await assertRejects(
    () => db.execute("select 42"),
    ConnectionError,
  );
  await engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
  return error;
}

Deno.test("postgres() waits no longer for a login than for a connect", async () => {
  await using database = await testDatabase();
  await using relay = loginRelay(database.url);
  const url = relay.urlOf(database.url);
  await using engine = createEngine(postgres(url, { connectTimeout: 2_000 }));
  const Session = sessionmaker(engine);
  for (let i = 0; i < 3; i++) await answer(Session);
  // The first statement is on its way by then.
  relay.faults = { server: only(/^R1[01]$/) };
  await using db = Session({
    transaction: { isolationLevel: "autocommit" },
  });
  const error = await assertRejects(
    () => db.execute("select 42"),
    ConnectionError,
  );
  assertMatch(error.message, /no answer to the login for 2000 ms/);
  assertEquals([error.code, error.maybeExecuted], ["CONNECTION_LOST", YES]);
});

Deno.test("postgres() cancels what is given up while its login is unanswered", async () => {
  await using database = await testDatabase();
  await using relay = loginRelay(database.url);
  await using engine = createEngine(postgres(relay.urlOf(database.url)));
  const Session = sessionmaker(engine);
  for (let i = 0; i < 3; i++) await answer(Session);
  const leaving = new AbortController();
  relay.faults = {
    client: (bytes) => {
      if (messagesIn(bytes).length > 2) leaving.abort();
      return bytes;
    },
  };
  await using db = Session({ transaction: { signal: leaving.signal } });
  await assertRejects(
    () => db.execute("select pg_sleep(60)"),
    ConnectionError,
    "the signal has fired",
  );
  await database.waitFor(async () => await database.connections() === 0);
});

/**
 * All but the server's proof; but that one is in as well; but its key for
 * cancelling.
 */
const ENDS = [/^(?!R12$)/, /^(?!R12$|R0$)/, /^(?!R12$|R0$|K$)/];

const FIRST_TIME = false;
const KNOWN = true;

for (const isKnown of [FIRST_TIME, KNOWN]) {
  const which = isKnown ? "it knows" : "it does not know";

  Deno.test(`postgres() believes no server that ${which} and that cannot prove itself`, async () => {
    const error = await failureBehind(
      replaced(/v=.{8}/, "v=AAAAAAAA"),
      isKnown,
    );
    assertMatch(error.message, /has not proved that it knows the password/);
    // What went along with the login may have been read.
    assertEquals(error.maybeExecuted, isKnown);
  });

  Deno.test(`postgres() believes no server that ${which} and that does not prove itself`, async () => {
    for (const end of ENDS) {
      const error = await failureBehind(only(end), isKnown);
      assertMatch(error.message, /has not proved that it knows the password/);
      assertEquals(error.maybeExecuted, isKnown);
    }
  });

  Deno.test(`postgres() takes one challenge of a server that ${which}`, async () => {
    const error = await failureBehind(twice("R11"), isKnown);
    assertMatch(error.message, /has not proved that it knows the password/);
    // The flight was about to go along.
    assert(!error.maybeExecuted);
  });

  Deno.test(`postgres() hashes no password 999,999 times for a server that ${which}`, async () => {
    const error = await failureBehind(replaced(/i=4096/, "i=999999"), isKnown);
    assertMatch(error.message, /999999 iterations; at most 100000/);
    assert(!error.maybeExecuted);
  });
}

const program = await pgbouncerProgram();

for (const changed of ["plain", "md5", "trust"]) {
  Deno.test({
    name:
      `postgres() finds out that PgBouncer asks for ${changed} now, and fails nobody`,
    ignore: program === undefined,
    fn: async () => {
      assert(program !== undefined);
      await using database = await testDatabase();
      const role = await database.createRole();
      const first = await startPgBouncer(program, role.url, {
        settings: "auth_type = scram-sha-256",
      });
      const url = first.urlOf(role.url);
      await using engine = createEngine(postgres(url));
      const Session = sessionmaker(engine);
      for (let i = 0; i < 3; i++) assertEquals(await answer(Session), 42);
      assertEquals(await flightsOf(url, 3), [SLOW, FAST, FAST]);
      await first[Symbol.asyncDispose]();
      await using _ = await startPgBouncer(program, role.url, {
        port: Number(new URL(url).port),
        settings: `auth_type = ${changed}`,
      });
      for (let i = 0; i < 3; i++) assertEquals(await answer(Session), 42);
    },
  });
}
