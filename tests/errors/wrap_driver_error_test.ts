import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  ConnectionError,
  createEngine,
  DatabaseError,
  type EngineEvent,
  IntegrityError,
  NullpoolError,
  SerializationError,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { wrapDriverError } from "../../src/errors/wrap_driver_error.ts";
import { sql } from "drizzle-orm";
import { driverBeds } from "../support/drivers.ts";

const CONTEXT = {
  database: "database x",
  connecting: false,
  maybeExecuted: true,
  exposeServerDetail: false,
};

function serverError(code: string, fields: Record<string, string> = {}) {
  return Object.assign(new Error("the server's own text: marker"), {
    code,
    severity: "ERROR",
    ...fields,
  });
}

Deno.test("wrapDriverError() knows the classes of SQLSTATEs", () => {
  const cases: [string, typeof NullpoolError, string, string][] = [
    ["23505", IntegrityError, "INTEGRITY_VIOLATION", "23505 unique_violation"],
    ["40001", SerializationError, "SERIALIZATION_FAILURE", "SQLSTATE 40001: "],
    ["40P01", SerializationError, "SERIALIZATION_FAILURE", "SQLSTATE 40P01: "],
    ["21000", DatabaseError, "DATABASE_ERROR", "21000 cardinality_violation"],
    ["22P02", DatabaseError, "DATABASE_ERROR", "22P02 invalid_text_repr"],
    ["42P01", DatabaseError, "DATABASE_ERROR", "SQLSTATE 42P01: the server's"],
    ["P0001", DatabaseError, "DATABASE_ERROR", "P0001 raise_exception"],
    ["XX000", DatabaseError, "DATABASE_ERROR", "SQLSTATE XX000"],
    ["28P01", DatabaseError, "DATABASE_ERROR", "28P01 invalid_password"],
    ["53300", DatabaseError, "DATABASE_ERROR", "SQLSTATE 53300: the server's"],
  ];
  for (const [sqlstate, type, code, start] of cases) {
    const error = wrapDriverError(serverError(sqlstate), CONTEXT);
    assertInstanceOf(error, type);
    assertEquals(error.name, type.name);
    assertEquals(error.code, code);
    assert(error.message.startsWith(start), error.message);
    if (error instanceof DatabaseError) assertEquals(error.sqlstate, sqlstate);
  }
});

Deno.test("wrapDriverError() knows a refused login by the end that it makes", () => {
  const refusals = [
    "28000",
    "28P01",
    "3D000",
    "42501",
    "53300",
    "55000",
    "57P03",
  ];
  for (const sqlstate of refusals) {
    const refused = serverError(sqlstate, { severity: "FATAL" });
    const error = wrapDriverError(refused, CONTEXT);
    assertInstanceOf(error, ConnectionError);
    assertEquals([error.code, error.maybeExecuted], ["CONNECT_FAILED", NO]);
    const start = "Cannot connect to database x: ";
    assert(error.message.startsWith(start), error.message);
    // A statement that fails so, or a function that says so, ends nothing.
    const failed = wrapDriverError(serverError(sqlstate), CONTEXT);
    assertInstanceOf(failed, DatabaseError);
  }
});

/** Whether anything may have been executed. */
const NO = false;

Deno.test("wrapDriverError() knows a pooler that has no connection of the server", () => {
  const said = (message: string, severity: string) =>
    wrapDriverError({ message, code: "08P01", severity }, CONTEXT);
  for (
    const message of [
      "query_wait_timeout",
      "server login has been failing, try again later (server_login_retry)",
      "server login has been failing, cached error: timeout (server_login_retry)",
    ]
  ) {
    const error = said(message, "FATAL");
    assertInstanceOf(error, ConnectionError);
    assertEquals([error.code, error.maybeExecuted], ["CONNECT_FAILED", NO]);
    // A function may raise what it likes: that ends nothing.
    assertInstanceOf(said(message, "ERROR"), DatabaseError);
  }
  for (const message of ["server conn crashed?", "query_timeout"]) {
    const error = said(message, "FATAL");
    assertInstanceOf(error, ConnectionError);
    assertEquals(error.code, "CONNECTION_LOST");
    assert(error.maybeExecuted);
  }
});

Deno.test("wrapDriverError() tells a lost connection from a refusal", () => {
  const fatal = serverError("57P01", { severity: "FATAL" });
  for (const error of [fatal, new Error("socket hang up"), undefined, {}]) {
    const wrapped = wrapDriverError(error, CONTEXT);
    assertInstanceOf(wrapped, ConnectionError);
    assertEquals(wrapped.code, "CONNECTION_LOST");
    assert(wrapped.maybeExecuted);
  }
});

Deno.test("wrapDriverError() knows the end of a connection in any language", () => {
  const ended = serverError("57P01", { severity: "ВАЖНО" });
  const lost = wrapDriverError(ended, CONTEXT);
  assertEquals(lost.code, "CONNECTION_LOST");
  const refused = serverError("53300", { severity: "致命错误" });
  assertEquals(wrapDriverError(refused, CONTEXT).code, "CONNECT_FAILED");
  const failed = serverError("23505", { severity: "ОШИБКА" });
  assertInstanceOf(wrapDriverError(failed, CONTEXT), DatabaseError);
  // A function may raise any SQLSTATE: that ends nothing.
  const raised = serverError("57P01", { severity: "ERROR" });
  assertInstanceOf(wrapDriverError(raised, CONTEXT), DatabaseError);
  // As one that checks passwords of its own does.
  const ours = serverError("28P01", { severity: "FEHLER" });
  assertInstanceOf(wrapDriverError(ours, CONTEXT), DatabaseError);
});

Deno.test("wrapDriverError() never hands on the driver's object", () => {
  const driver = Object.assign(
    new Error("connect to postgres://u:marker@host failed"),
    { config: { password: "marker" } },
  );
  const error = wrapDriverError(driver, CONTEXT);
  assert(error.cause !== driver);
  const told = [
    error.message,
    String(error.cause),
    JSON.stringify(error.cause),
  ];
  assert(!told.join().includes("marker"), told.join());
});

Deno.test("wrapDriverError() leaves errors of the library alone", () => {
  const own = new NullpoolError("SESSION_CLOSED", "Cannot");
  assert(wrapDriverError(own, CONTEXT) === own);
});

/** A SQLSTATE, and what fails with it. */
type Failure = readonly [string, (db: Session) => PromiseLike<unknown>];

for (const [name, makeBed] of Object.entries(driverBeds)) {
  Deno.test(`${name}: no value and no secret is told`, async () => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver);
    const events: EngineEvent[] = [];
    for (
      const type of [
        "connect",
        "checkout",
        "begin",
        "statement",
        "checkin",
        "rollback",
      ] as const
    ) engine.on(type, (event) => events.push(event));
    const Session = sessionmaker(engine);
    await using db = Session();
    await db.execute(
      `create table people (id int primary key, email text unique
        check (email like '%@%'), age int not null)`,
    );
    await db.execute(sql`insert into people values (1, 'marker@x', 1)`);
    await db.commit();
    const failures: Failure[] = [
      [
        "23505",
        (db) =>
          db.execute(sql`insert into people values (2, ${"marker@x"}, 2)`),
      ],
      [
        "23514",
        (db) => db.execute(sql`insert into people values (2, ${"marker"}, 2)`),
      ],
      [
        "23502",
        (db) =>
          db.execute(sql`insert into people values (2, ${"marker@"}, null)`),
      ],
      ["22P02", (db) => db.execute(sql`select ${"marker"}::text::int`)],
      ["22003", (db) => db.execute(sql`select ${"99999999999"}::text::int`)],
      ["42P01", (db) => db.execute(sql`select ${"marker"}::text::regclass`)],
      // Small letters, 63 bytes, no quotes, and a part of an array or of JSON.
      ...[
        sql`select ${"MyMarker"}::text::regclass`,
        sql`select ${`marker${"x".repeat(80)}`}::text::regclass`,
        sql`select ${' public . "Marker"'}::text::regclass`,
        sql`select unnest(${sql.param(["Marker"])}::text[])::regclass`,
        sql`select (${
          JSON.stringify({ to: '"my marker"' })
        }::json->>'to')::regclass`,
      ].map((each): Failure => ["42P01", (db) => db.execute(each)]),
      [
        "42704",
        (db) => db.execute(sql`select ${"MyMarker"}::text::regtype`),
      ],
      [
        "42704",
        (db) => db.execute(sql`select set_config(${"marker"}, 'x', true)`),
      ],
      [
        "P0001",
        (db) => db.execute("do $$ begin raise exception 'marker'; end $$"),
      ],
    ];
    for (const [sqlstate, fail] of failures) {
      const error: unknown = await fail(db).then(() => undefined, (e) => e);
      assertInstanceOf(error, DatabaseError);
      assertEquals(error.sqlstate, sqlstate);
      const told = [
        error.message,
        error.stack,
        JSON.stringify(error),
        String(error.cause),
        Deno.inspect(error, { depth: 10 }),
      ].join("\n");
      assert(!told.includes("marker") && !told.includes("99999"), told);
      await db.rollback();
    }
    assert(events.length > 10);
    // The texts of statements are the application's own; parameters are not.
    const told = JSON.stringify(events).replaceAll("'marker@x', 1", "")
      .replaceAll("raise exception 'marker'", "");
    assert(!told.includes("marker"), told);
  });

  Deno.test(`${name}: exposeServerDetail tells more`, async () => {
    await using bed = await makeBed();
    await using engine = createEngine(bed.driver, { exposeServerDetail: true });
    await using db = sessionmaker(engine)();
    const error: unknown = await db.execute("select 'marker'::text::int")
      .then(() => undefined, (e) => e);
    assertInstanceOf(error, DatabaseError);
    assert(error.message.includes("marker"), error.message);
  });
}
