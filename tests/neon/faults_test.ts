import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { inArray } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  CommitOutcomeError,
  ConnectionError,
  createEngine,
  type Engine,
  IntegrityError,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import {
  type NeonFault,
  type NeonServerOptions,
  serveNeon,
} from "../../src/dev/mod.ts";
import { neon, neonHttp, type NeonOptions } from "../../src/neon/mod.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull(),
  n: integer(),
});
const schema = { notes };

interface Bed extends AsyncDisposable {
  readonly engine: Engine;
  readonly database: TestDatabase;
  /** The endpoint. */
  readonly url: string;
  /** What goes wrong with the next exchange. */
  fault: NeonFault | undefined;
}

async function faultyBed(
  options: NeonOptions = {},
  endpoint: Partial<NeonServerOptions> = {},
): Promise<Bed> {
  const database = await testDatabase({
    setup:
      `create table notes (id serial primary key, name text not null, n int);
      insert into notes (name, n) values ('a', 1), ('b', 2)`,
  });
  const server = await serveNeon({
    port: 0,
    ...endpoint,
    backend: database.url,
    faults: () => {
      const { fault } = bed;
      bed.fault = undefined;
      return fault;
    },
  });
  const engine = createEngine(neon(server.url, options));
  const bed: Bed = {
    engine,
    database,
    url: server.url,
    fault: undefined,
    async [Symbol.asyncDispose]() {
      await engine.dispose();
      await server.close();
      await database.drop();
    },
  };
  return bed;
}

/** What a read, and a commit, come to when something goes wrong. */
const FAULTS: readonly {
  readonly name: string;
  readonly fault: NeonFault;
  /** Whether the server has run what was sent. */
  readonly isRun: boolean;
  /** Whether the client cannot know. */
  readonly isUnknown: boolean;
}[] = [
  {
    name: "a connection that breaks before",
    fault: { kind: "drop", when: "before" },
    isRun: false,
    isUnknown: true,
  },
  {
    name: "a connection that breaks after",
    fault: { kind: "drop", when: "after" },
    isRun: true,
    isUnknown: true,
  },
  {
    name: "half an answer",
    fault: { kind: "truncate" },
    isRun: true,
    isUnknown: true,
  },
  {
    name: "HTTP 429",
    fault: { kind: "status", status: 429 },
    isRun: false,
    isUnknown: false,
  },
  {
    name: "HTTP 500",
    fault: { kind: "status", status: 500 },
    isRun: false,
    isUnknown: true,
  },
  {
    name: "HTTP 503",
    fault: { kind: "status", status: 503 },
    isRun: false,
    isUnknown: true,
  },
];

for (const { name, fault, isRun, isUnknown } of FAULTS) {
  for (const transport of ["http", "websocket"] as const) {
    Deno.test(`${name} is told truthfully, over ${transport}`, async () => {
      await using bed = await faultyBed({ transport });
      const Session = sessionmaker(bed.engine, { schema });
      await using db = Session();
      bed.fault = fault;
      const refused = await assertRejects(
        () => db.select().from(notes),
        ConnectionError,
      );
      assert(!refused.message.includes("postgres:"), refused.message);
      assert(refused.message.includes("127.0.0.1"), refused.message);
      await db.rollback();
      assertEquals((await db.select().from(notes)).length, 2);

      db.add(notes, { name: "new" });
      bed.fault = fault;
      const isLost = isUnknown || transport === "websocket";
      const error = await assertRejects(() => db.commit());
      if (isLost) assert(error instanceof CommitOutcomeError, String(error));
      else {
        assert(error instanceof ConnectionError, String(error));
        assertFalse(error.maybeExecuted);
      }
      await db.rollback();
      await bed.engine.idle();
      await bed.database.waitFor(async () =>
        await bed.database.openTransactions() === 0
      );
      const [row] = await bed.database.query(
        "select count(*)::int as n from notes",
      );
      assertEquals(row?.n, isRun ? 3 : 2);
    });
  }
}

Deno.test("an endpoint that never answers is given up, and its statement cancelled", async () => {
  await using bed = await faultyBed();
  const Session = sessionmaker(bed.engine, { schema });
  await using db = Session({ transaction: { statementTimeout: 200 } });
  bed.fault = { kind: "stall" };
  const error = await assertRejects(() => db.get(notes, 1), ConnectionError);
  assertEquals([error.code, error.maybeExecuted], ["STATEMENT_TIMEOUT", true]);
  await db.rollback();
  // A lock that somebody else holds is waited for on the server.
  await using other = Session();
  await other.execute("lock table notes");
  await assertRejects(() => db.get(notes, 1), ConnectionError);
  await bed.database.waitFor(async () => {
    const [row] = await bed.database.query(
      "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'",
    );
    return row?.n === 0;
  });
});

Deno.test("too large a request, or result, says what to do", async () => {
  await using bed = await faultyBed({ transport: "http" }, {
    maxBytes: 20_000,
  });
  const Session = sessionmaker(bed.engine, { schema });
  await using db = Session();
  db.add(notes, { name: "x".repeat(30_000) });
  const large = await assertRejects(() => db.commit(), ConnectionError);
  assertEquals([large.code, large.maybeExecuted], ["REQUEST_TOO_LARGE", false]);
  await db.rollback();
  await bed.database.query(
    "insert into notes (name) select repeat('y', 1000) from generate_series(1, 100)",
  );
  const read = await assertRejects(() => db.find(notes), ConnectionError);
  assertEquals(read.code, "RESPONSE_TOO_LARGE");
  assert(read.message.includes("stream()"), read.message);
});

Deno.test("what quotes and accents add is counted before a request is too large", async () => {
  await using bed = await faultyBed({ maxBatchBytes: 15_000 }, {
    maxBytes: 20_000,
  });
  await using db = sessionmaker(bed.engine, { schema })();
  const quotes = (count: number) => '"'.repeat(count);
  const cases = [
    ["漢".repeat(7_000)],
    [quotes(9_000)],
    // In a list they are escaped once more.
    [quotes(2_500), quotes(2_500)],
  ];
  for (const names of cases) {
    const added = db.addAll(notes, names.map((name) => ({ name })));
    await db.commit();
    assertEquals(db.stats.requests, 0);
    assert(added.every(({ id }) => id > 2));
  }
});

Deno.test("over maxBatchBytes a unit of work goes over a connection", async () => {
  await using bed = await faultyBed({ maxBatchBytes: 10_000 });
  await using db = sessionmaker(bed.engine, { schema })();
  db.addAll(
    notes,
    Array.from({ length: 100_000 }, (_, n) => ({ name: `n${n}`, n })),
  );
  await db.commit();
  assertEquals([db.stats.requests, db.stats.connections], [0, 1]);
  assertEquals(db.stats.reason, "its changes are more than 10000 bytes");
  assertEquals(await db.$count(notes), 100_002);
});

Deno.test("over 32,767 parameters a statement goes over a connection", async () => {
  await using bed = await faultyBed();
  const Session = sessionmaker(bed.engine, { schema });
  await using db = Session();
  const rows = Array.from({ length: 20_000 }, (_, n) => ({ name: "many", n }));
  for (const count of [16_383, 16_384]) {
    db.enqueue(db.insert(notes).values(rows.slice(0, count)));
    await db.commit();
  }
  assertEquals([db.stats.requests, db.stats.connections], [1, 1]);
  assertEquals(db.stats.reason, "a statement has more than 32767 parameters");
  await using reader = Session();
  const ids = rows.map(({ n }) => n).concat(rows.map(({ n }) => -n));
  const found = await reader.select().from(notes).where(inArray(notes.n, ids));
  assertEquals(found.length, 2 + 16_383 + 16_384);
  assertEquals([reader.stats.requests, reader.stats.connections], [0, 1]);
  // Where there is none it is refused, and nothing was sent.
  await using alone = createEngine(neonHttp(bed.url));
  const error = await assertRejects(
    () =>
      sessionmaker(alone).begin((each) =>
        each.select().from(notes).where(inArray(notes.n, ids))
      ),
    StateError,
    "more than 32767 parameters",
  );
  assertEquals(error.code, "NO_CONNECTION");
});

/** A port where nobody listens any more. */
function closedPort(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return String(listener.addr.port);
}

Deno.test("a wrong password, nobody there, and rubbish are told apart", async () => {
  await using bed = await faultyBed();
  const rubbish = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("<html>"),
  );
  const cases = [
    [{ password: "wrong-secret" }, "CONNECT_FAILED", "password authentication"],
    [{ port: closedPort() }, "CONNECT_FAILED", "refused"],
    [{ port: String(rubbish.addr.port) }, "CONNECTION_LOST", "none of Neon's"],
  ] as const;
  for (const [difference, code, word] of cases) {
    const url = Object.assign(new URL(bed.url), difference);
    await using engine = createEngine(neonHttp(url.href));
    await using db = sessionmaker(engine, { schema })();
    const error = await assertRejects(() => db.get(notes, 1), ConnectionError);
    assertEquals(error.code, code);
    assertEquals(error.maybeExecuted, code === "CONNECTION_LOST");
    const told = [error.message, error.stack, JSON.stringify(error)].join();
    assert(told.includes(word) && !told.includes("wrong-secret"), told);
  }
  await rubbish.shutdown();
});

/** Somebody who answers in the endpoint's place. */
function standIn(answer: (request: Request) => Response): Deno.HttpServer<
  Deno.NetAddr
> {
  return Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      await request.body?.cancel();
      return answer(request);
    },
  );
}

Deno.test("a redirect is told, and the password does not follow it", async () => {
  const asked: (string | null)[] = [];
  await using elsewhere = standIn(({ headers }) => {
    asked.push(headers.get("neon-connection-string"));
    return new Response("no");
  });
  const location = `http://localhost:${elsewhere.addr.port}/sql`;
  let status = 307;
  await using endpoint = standIn(() =>
    new Response(null, { status, headers: { location } })
  );
  const driver = neonHttp(
    `postgres://app:secret@127.0.0.1:${endpoint.addr.port}/app`,
  );
  await using engine = createEngine(driver);
  await using db = sessionmaker(engine, { schema })();
  for (const [each, maybeExecuted] of [[307, false], [302, true]] as const) {
    status = each;
    const error = await assertRejects(() => db.get(notes, 1), ConnectionError);
    assertEquals([error.code, error.maybeExecuted], [
      "CONNECTION_LOST",
      maybeExecuted,
    ]);
    assert(error.message.includes("it redirects elsewhere"), error.message);
    await db.rollback();
  }
  assertEquals(asked, []);
});

Deno.test("a unit of work is not run again when an answer leaves open whether it was done", async () => {
  let asked = 0;
  await using endpoint = standIn(() => {
    asked++;
    return new Response("{}", { status: 201 });
  });
  const driver = neonHttp(
    `postgres://app:secret@127.0.0.1:${endpoint.addr.port}/app`,
  );
  await using engine = createEngine(driver);
  const Session = sessionmaker(engine, { schema });
  await assertRejects(
    () =>
      Session.begin((db) => {
        db.add(notes, { name: "new" });
        return Promise.resolve();
      }, { retry: { times: 3 } }),
    CommitOutcomeError,
  );
  assertEquals(asked, 1);
});

Deno.test("neonHttp() names what needs a connection, and the way out", async () => {
  await using bed = await faultyBed({ transport: "http" });
  await using db = sessionmaker(bed.engine, { schema })();
  assertEquals((await db.get(notes, 1))?.name, "a");
  const error = await assertRejects(
    () => db.insert(notes).values({ name: "c" }),
    StateError,
  );
  assertEquals([error.code, error.message], [
    "NO_CONNECTION",
    "Cannot execute: a connection is needed, because a statement may write, or lock, and the driver has none; use enqueue() or add() and commit() for a write, or neon()",
  ]);
  await db.rollback();
  db.enqueue(db.insert(notes).values({ name: "c" }));
  await db.commit();
  assertEquals(await db.$count(notes), 3);
});

Deno.test("of what one request carries nobody knows which part failed", async () => {
  await using bed = await faultyBed({ transport: "http" });
  await bed.database.query("create unique index on notes (name)");
  await using db = sessionmaker(bed.engine, { schema })();
  const insert = (name: string) =>
    db.enqueue(db.insert(notes).values({ name }));
  const parts = ["new", "a", "newer"].map(insert);
  const error = await assertRejects(() => db.commit(), IntegrityError);
  const outcomes = await Promise.allSettled(parts);
  for (const each of outcomes) {
    assertEquals(each, { status: "rejected", reason: error });
  }
  await db.rollback();
  assertEquals(await db.$count(notes), 2);
});

Deno.test("neonHttp() names the line that needs a connection, in development", async () => {
  await using bed = await faultyBed();
  await using engine = createEngine(neonHttp(bed.url), {
    mode: "development",
  });
  await using db = sessionmaker(engine, { schema })();
  const error = await assertRejects(
    () => db.get(notes, 1, { lock: "update" }),
    StateError,
    "may write, or lock",
  );
  assert(/called at \S+faults_test\.ts:\d+/.test(error.message), error.message);
});

for (const transport of ["http", "websocket"] as const) {
  Deno.test(`serveNeon() is as far away as it is told, over ${transport}`, async () => {
    await using bed = await faultyBed({ transport }, { latency: 60 });
    await using db = sessionmaker(bed.engine, { schema })();
    await db.get(notes, 1);
    const times = [performance.now()];
    await db.get(notes, 2);
    times.push(performance.now());
    await db.rollback();
    // A goodbye is an exchange as well.
    await bed.engine.idle();
    times.push(performance.now());
    bed.fault = { kind: "delay", ms: 60 };
    await db.get(notes, 1);
    times.push(performance.now());
    const [start = 0, near = 0, again = 0, far = 0] = times;
    // Timers may be early by less than a millisecond.
    assert(near - start >= 59, String(near - start));
    assert(far - again >= 119, String(far - again));
  });
}

Deno.test("without a URL nothing was sent, and it is not waited for longer than for an answer", async () => {
  const never = Promise.withResolvers<string>().promise;
  const cases = [
    [() => undefined, "CONNECT_FAILED", "the database URL is missing"],
    ["postgres://u:p@h/d?options=x", "CONNECT_FAILED", '"options"'],
    [() => Promise.reject(new Error("no vault")), "CONNECT_FAILED", "no vault"],
    [() => never, "STATEMENT_TIMEOUT", "statementTimeout"],
  ] as const;
  for (const [url, code, reason] of cases) {
    await using engine = createEngine(neon(url), {
      transaction: { statementTimeout: 50 },
    });
    const Session = sessionmaker(engine, { schema });
    await using reader = Session();
    const read = await assertRejects(
      () => reader.get(notes, 1),
      ConnectionError,
    );
    await using writer = Session();
    writer.add(notes, { name: "a" });
    const write = await assertRejects(() => writer.commit(), ConnectionError);
    assertEquals([read.code, write.code, write.maybeExecuted], [
      code,
      code,
      isDone,
    ]);
    assertStringIncludes(read.message, reason);
    assertStringIncludes(write.message, reason);
  }
});

const isDone = false;

Deno.test("what no request can carry was not sent, and is not told", async () => {
  await using bed = await faultyBed();
  await using engine = createEngine(neonHttp(bed.url));
  await using nowhere = createEngine(neonHttp("postgres://u:p@[::1]/d"));
  const Session = sessionmaker(engine, { schema });
  const cases = [
    Session({ authToken: "marker\nmarker: 1" }),
    Session({ authToken: "marker\u2192" }),
    Session.on(nowhere)({ name: "a host" }),
  ];
  for (const db of cases) {
    db.add(notes, { name: "a" });
    const error = await assertRejects(() => db.commit(), ConnectionError);
    assertEquals([error.code, error.maybeExecuted], ["CONNECT_FAILED", isDone]);
    assertStringIncludes(error.message, '"authToken"');
    const told = [error.stack, JSON.stringify(error), String(error.cause)];
    assertFalse(told.join().includes("marker"), told.join());
    await db.close();
  }
  const rows = await bed.database.query("select name from notes order by id");
  assertEquals(rows, [{ name: "a" }, { name: "b" }]);
});
