import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertStringIncludes,
} from "@std/assert";
import { pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  ConnectionError,
  createEngine,
  QueuePool,
  type Session,
  sessionmaker,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { neon, neonWebSocket } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull(),
});

/** Over each transport, given the server's URL and that of a Neon endpoint. */
const DRIVERS: Readonly<
  Record<string, (server: string, endpoint: string) => Driver>
> = {
  "postgres()": (server) => postgres(server),
  "neon() over a WebSocket": (_, endpoint) =>
    neon(endpoint, { transport: "websocket" }),
  "neon() over HTTP": (_, endpoint) => neon(endpoint),
};

/** What keeps a role out, what lets it in again, and PostgreSQL's word for it. */
function refusalsOf(
  role: string,
  database: string,
): readonly (readonly [string, string, string])[] {
  const alter = `alter role ${role}`;
  const connect = `connect on database ${database}`;
  return [
    [`${alter} connection limit 0`, `${alter} connection limit -1`, "53300"],
    [`revoke ${connect} from public`, `grant ${connect} to public`, "42501"],
    [`${alter} nologin`, `${alter} login`, "28000"],
    [`${alter} password 'other'`, `${alter} password 'same'`, "28P01"],
  ];
}

const schema = { notes };

const WORKS: readonly ((db: Session<typeof schema>) => Promise<unknown>)[] = [
  // With COMMIT in its flight, or request.
  async (db) => {
    db.add(notes, { name: "a" });
    await db.commit();
  },
  (db) => db.insert(notes).values({ name: "b" }).execute(),
];

for (const [name, driverOf] of Object.entries(DRIVERS)) {
  Deno.test(`${name} knows that a refused login has run nothing`, async () => {
    await using database = await testDatabase({
      setup: `create table notes (id serial primary key, name text not null);
        grant all on notes, notes_id_seq to public`,
    });
    const role = await database.createRole();
    await database.query(`alter role ${role.name} password 'same'`);
    await using server = await serveNeon({ backend: database.url, port: 0 });
    const login = { username: role.name, password: "same" };
    const driver = driverOf(
      Object.assign(new URL(database.url), login).href,
      Object.assign(new URL(server.url), login).href,
    );
    await using engine = createEngine(driver);
    const Session = sessionmaker(engine, { schema });
    // `postgres()` knows the server by now, and sends work along with a login.
    for (let i = 0; i < 3; i++) {
      await Session.begin((db) => db.execute("select"));
    }
    let expected = 0;
    const refusals = refusalsOf(role.name, database.name);
    for (const [refuse, admit, sqlstate] of refusals) {
      await database.query(refuse);
      for (const work of WORKS) {
        await using db = Session();
        const error: unknown = await work(db).then(() => undefined, (e) => e);
        assertEquals(outcomeOf(error), REFUSED, `${sqlstate}: ${error}`);
        const { message } = Object(error);
        assertStringIncludes(message, "Cannot connect to database");
        // Of a wrong password Neon's endpoint has no SQLSTATE to tell.
        if (sqlstate !== "28P01") assertStringIncludes(message, sqlstate);
      }
      let runs = 0;
      await Session.begin(async (db) => {
        if (++runs === 2) await database.query(admit);
        await db.insert(notes).values({ name: "c" });
      }, { retry: { maxDelay: 1 } });
      assertEquals(runs, 2);
      await engine.idle();
      const [row] = await database.query("select count(*)::int n from notes");
      assertEquals(row, { n: ++expected });
    }
  });
}

for (const name of ["postgres()", "neon() over a WebSocket"]) {
  Deno.test(`QueuePool keeps what it has where ${name} is let in no more`, async () => {
    await using database = await testDatabase();
    const role = await database.createRole();
    await using server = await serveNeon({ backend: database.url, port: 0 });
    const { username, password } = new URL(role.url);
    const endpoint = Object.assign(new URL(server.url), { username, password });
    const driver = DRIVERS[name]?.(role.url, endpoint.href);
    assert(driver);
    await using engine = createEngine(driver, {
      pool: (driver) => new QueuePool(driver, { poolSize: 3 }),
    });
    const Session = sessionmaker(engine);
    async function pidOf(db: Session): Promise<unknown> {
      const { rows } = await db.execute("select pg_backend_pid() as pid");
      return rows[0]?.pid;
    }
    const [first, second] = [Session(), Session()];
    const kept = [await pidOf(first), await pidOf(second)];
    await database.query(`alter role ${role.name} connection limit 2`);
    await using third = Session();
    const error: unknown = await pidOf(third).then(() => undefined, (e) => e);
    assertEquals(outcomeOf(error), REFUSED, String(error));
    await Promise.all([first.close(), second.close()]);
    await engine.idle();
    await using again = Session();
    assertArrayIncludes(kept, [await pidOf(again)]);
  });
}

/** The class, the code, and whether anything may have been executed. */
const REFUSED: readonly unknown[] = [
  "ConnectionError",
  "CONNECT_FAILED",
  false,
];

function outcomeOf(error: unknown): readonly unknown[] {
  return error instanceof ConnectionError
    ? [error.name, error.code, error.maybeExecuted]
    : [error];
}

Deno.test("neonWebSocket() takes whatever is said before the server is ready for a refusal", async () => {
  await using database = await testDatabase();
  const role = await database.createRole();
  // As it fails a login: with a SQLSTATE that fails statements as a rule.
  await database.query(
    `create function refuse() returns event_trigger language plpgsql as $$
      begin
        if session_user = '${role.name}' then raise exception 'no'; end if;
      end $$;
      create event trigger refusing on login execute function refuse()`,
  );
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const { username, password } = new URL(role.url);
  const url = Object.assign(new URL(server.url), { username, password });
  await using engine = createEngine(neonWebSocket(url.href));
  await using db = sessionmaker(engine)();
  const error: unknown = await db.execute("select 1")
    .then(() => undefined, (e) => e);
  assertEquals(outcomeOf(error), REFUSED, String(error));
  assertStringIncludes(Object(error).message, "P0001 raise_exception");
});
