import { assert, assertEquals } from "@std/assert";
import { sql } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Driver,
  type Engine,
  type EngineEvent,
  mapTasks,
  QueuePool,
  sessionmaker,
} from "../../mod.ts";
import { EVENT_TYPES } from "../support/event_types.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import { neon, neonHttp } from "../../src/neon/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { testDatabase } from "../support/postgres.ts";

const people = pgTable("people", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
  n: integer(),
});
const schema = { people };

/** In every value, password and token: nobody may be told. */
const MARKER = "m4rk3r";

/** All that a program may print of something, what hangs on it included. */
function told(thing: unknown): string {
  const deep = { depth: 12, getters: false };
  const texts = [Deno.inspect(thing, deep), String(thing)];
  try {
    texts.push(JSON.stringify(thing) ?? "");
  } catch {
    // A ring: nobody can print it so.
  }
  if (thing instanceof Error) {
    const { message, stack = "", cause } = thing;
    texts.push(message, stack, cause === undefined ? "" : told(cause));
  }
  return texts.join("\n");
}

function assertSilent(name: string, thing: unknown): void {
  const text = told(thing);
  const at = text.indexOf(MARKER);
  assert(at < 0, `${name}: ${text.slice(Math.max(0, at - 200), at + 60)}`);
}

const SETUP = `
  create table people (id serial primary key, name text not null unique, n int);
  insert into people (name) values ('${MARKER}');
  create function raise() returns trigger language plpgsql as $$ begin
    raise exception 'value %', new.name using detail = new.name, hint = new.name;
  end $$;
  create table raising (name text);
  create trigger raise before insert on raising
    for each row execute function raise()`;

/** What fails, each with the marker among its values. */
const FAILURES: Readonly<
  Record<string, (Session: Maker, engine: Engine) => Promise<unknown>>
> = {
  "22P02": (Session) =>
    Session.begin((db) => db.execute(sql`select ${MARKER}::int`)),
  "23505": (Session) =>
    Session.begin((db) => db.insert(people).values({ name: MARKER })),
  "23505 of a flush": (Session) =>
    Session.begin((db) => {
      db.add(people, { name: MARKER });
      return Promise.resolve();
    }),
  "23505 of a batch": (Session) =>
    Session.begin((db) => {
      void db.enqueue(db.insert(people).values({ name: MARKER }))
        .catch(() => {});
      return Promise.resolve();
    }),
  RAISE: (Session) =>
    Session.begin((db) =>
      db.execute(sql`insert into raising values (${MARKER})`)
    ),
  "42601 with a value in the text": (Session) =>
    Session.begin((db) => db.execute(sql`selec ${MARKER}`)),
  "a lost row": (Session) =>
    Session.begin(async (db) => {
      const [one] = await db.find(people);
      await db.execute("delete from people");
      if (one) one.name = `${MARKER} again`;
    }),
  "a wrong value": (Session) =>
    Session.begin((db) => {
      db.add(people, { name: "x", n: Number(MARKER) });
      return Promise.resolve();
    }),
  "a duplicate": (Session) =>
    Session.begin((db) => {
      db.add(people, { id: 7, name: MARKER });
      db.add(people, { id: 7, name: MARKER });
      return Promise.resolve();
    }),
  "a deadline": (Session) =>
    Session.begin((db) => db.execute(sql`select pg_sleep(9), ${MARKER}`), {
      statementTimeout: 30,
    }),
  "a task": (Session) =>
    mapTasks(
      Session,
      [MARKER],
      (db, name) => db.insert(people).values({ name }),
    ),
  "wrong claims": async (Session) => {
    const ring: Record<string, unknown> = { sub: MARKER };
    ring.ring = ring;
    await Session({ claims: ring }).close();
  },
};

type Maker = ReturnType<typeof sessionmaker<typeof schema>>;

/** Everything that goes wrong on one driver, and all that is told of it. */
async function silent(driver: Driver): Promise<void> {
  await using engine = createEngine(driver, {
    mode: "development",
    settings: { "app.secret": MARKER },
    ...(driver.maxConnections !== 0 && {
      pool: (each) => new QueuePool(each, { poolSize: 2 }),
    }),
  });
  const events: EngineEvent[] = [];
  for (const type of EVENT_TYPES) {
    engine.on(type, (event) => events.push(event));
  }
  const Session = sessionmaker(engine, { schema, roles: [] });
  const Mine = Session.with({ claims: { sub: MARKER } });
  for (const [name, fail] of Object.entries(FAILURES)) {
    let error: unknown;
    try {
      await fail(Mine, engine);
    } catch (thrown) {
      error = thrown;
    }
    // What needs a connection is refused where there is none.
    assert(error instanceof Error, name);
    assertSilent(name, error);
  }
  const db = Mine();
  const person = db.add(people, { name: `${MARKER} 2` });
  await db.commit();
  assertEquals(person.name, `${MARKER} 2`);
  const query = db.select().from(people).where(sql`name = ${MARKER}`);
  await query;
  const scope = scopedSession(Mine);
  const things = {
    driver,
    engine,
    status: engine.status(),
    Session,
    Mine,
    session: db,
    stats: db.stats,
    holder: db.holder,
    scope,
  };
  for (const [name, thing] of Object.entries(things)) {
    assertSilent(`${driver.name} ${name}`, thing);
  }
  await db.close();
  assert(events.length > 10);
  for (const event of events) assertSilent(`event ${event.type}`, event);
}

Deno.test("no value, password or token is told, over any driver", async () => {
  await using database = await testDatabase({ setup: SETUP });
  const role = `secret_${crypto.randomUUID().replaceAll("-", "")}`;
  await database.query(
    `create role ${role} login password '${MARKER}';
     grant all on all tables in schema public to ${role};
     grant all on all sequences in schema public to ${role}`,
  );
  const server = await serveNeon({ backend: database.url, port: 0 });
  const direct = new URL(database.url);
  direct.username = role;
  direct.password = MARKER;
  const endpoint = new URL(direct);
  endpoint.port = String(server.port);
  try {
    for (
      const driver of [
        postgres(direct.href),
        neon(endpoint.href),
        neon(endpoint.href, { transport: "websocket" }),
        neonHttp(endpoint.href),
      ]
    ) {
      await database.query(
        `delete from people; insert into people (name) values ('${MARKER}')`,
      );
      await silent(driver);
    }
  } finally {
    await server.close();
    await database.query(
      `drop owned by ${role}; drop role ${role}`,
    );
  }
});

Deno.test("no password or token is told by what cannot connect", async () => {
  await using database = await testDatabase();
  const server = await serveNeon({ backend: database.url, port: 0 });
  const wrong = new URL(database.url);
  wrong.password = MARKER;
  const endpoint = new URL(wrong);
  endpoint.port = String(server.port);
  const nobody =
    `postgres://u:${MARKER}@127.0.0.1:1/d?application_name=${MARKER}`;
  for (
    const driver of [
      postgres(wrong.href),
      neon(endpoint.href),
      neon(endpoint.href, { transport: "websocket" }),
      postgres(nobody),
      postgres(() => {
        throw new Error(`Cannot read postgres://u:${MARKER}@h/d`);
      }),
    ]
  ) {
    await using engine = createEngine(driver);
    const Session = sessionmaker(engine, { schema });
    await using db = Session({ authToken: undefined });
    let error: unknown;
    try {
      await db.$count(people);
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof Error);
    assertSilent(driver.name, error);
    await db.close();
  }
  const http = createEngine(neonHttp(endpoint.href));
  const db = sessionmaker(http, { schema })({ authToken: MARKER });
  let error: unknown;
  try {
    await db.$count(people);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof Error);
  assertSilent("authToken", error);
  assertSilent("a session with a token", db);
  await db.close();
  await server.close();
});
