import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { entityKind, sql } from "drizzle-orm";
import { Cache } from "drizzle-orm/cache/core";
import {
  integer,
  pgPolicy,
  pgRole,
  pgTable,
  serial,
} from "drizzle-orm/pg-core";
import { Hono } from "hono";
import {
  createEngine,
  DatabaseError,
  type Driver,
  ledgerMigration,
  mapTasks,
  QueuePool,
  type Session,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";
import {
  background,
  dbSession,
  type SessionVariables,
  streamSession,
} from "../../src/hono/mod.ts";
import { scopedSession } from "../../src/scoped/mod.ts";
import { neon } from "../../src/neon/mod.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { identitySettings, USUAL_ROLES } from "../../src/session/claims.ts";
import { pgbouncerProgram, startPgBouncer } from "../support/pgbouncer.ts";
import { testPGlite } from "../support/pglite.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { seeded, testSeed } from "../support/random.ts";
import { recordingDriver } from "../../src/testing/mod.ts";

const TENANTS = 50;
/** Requests of each tenant; `deno task soak` sends 200. */
const REQUESTS = Number(Deno.env.get("NULLPOOL_TEST_REQUESTS") ?? 6);

const authenticated = pgRole("authenticated").existing();

/** As Drizzle's documentation has it; the migration below is what it makes. */
const docs = pgTable("docs", {
  id: serial().primaryKey(),
  tenant: integer().notNull(),
  n: integer(),
}, () => [
  pgPolicy("own", {
    for: "all",
    to: authenticated,
    using:
      sql`tenant = (current_setting('request.jwt.claims', true)::json ->> 'tenant')::int`,
  }),
]);
const schema = { docs };

const MIGRATION = `
  create table docs (id serial primary key, tenant int not null, n int);
  alter table docs enable row level security;
  create policy own on docs for all to authenticated
    using (tenant = (current_setting('request.jwt.claims', true)::json ->> 'tenant')::int);
  grant select, insert, update, delete on docs to authenticated, anon;
  grant usage on sequence docs_id_seq to authenticated;
  insert into docs (tenant, n) select t, n
    from generate_series(1, ${TENANTS}) t, generate_series(1, 3) n`;
/** Roles belong to a server, on which other tests run as well. */
const ROLES = ["authenticated", "anon"].map((role) =>
  `do $$ begin create role ${role}; exception
    when duplicate_object or unique_violation then null; end $$`
).join(";");

interface Bed extends AsyncDisposable {
  readonly driver: Driver;
  readonly database: TestDatabase | undefined;
}

async function serverBed(
  reach: (
    url: string,
  ) => Promise<Partial<AsyncDisposable> & { driver: Driver }>,
): Promise<Bed> {
  const database = await testDatabase({ setup: `${ROLES}; ${MIGRATION}` });
  const reached = await reach(database.url);
  return {
    driver: reached.driver,
    database,
    async [Symbol.asyncDispose]() {
      await reached[Symbol.asyncDispose]?.();
      await database.drop();
    },
  };
}

const bouncer = await pgbouncerProgram();

const BEDS: Readonly<Record<string, (() => Promise<Bed>) | undefined>> = {
  PGlite: async () => {
    const lite = await testPGlite();
    await lite.exec(`${ROLES}; ${MIGRATION}`);
    return {
      driver: pglite(lite),
      database: undefined,
      [Symbol.asyncDispose]: () => lite.close(),
    };
  },
  PostgreSQL: () =>
    serverBed((url) => Promise.resolve({ driver: postgres(url) })),
  "Neon over HTTP": () =>
    serverBed(async (url) => {
      const endpoint = await serveNeon({ backend: url, port: 0 });
      return {
        driver: neon(endpoint.url),
        [Symbol.asyncDispose]: () => endpoint.close(),
      };
    }),
  [bouncer === undefined ? "needs pgbouncer" : "PgBouncer"]:
    bouncer === undefined ? undefined : () =>
      serverBed(async (url) => {
        const proxy = await startPgBouncer(bouncer, url);
        return {
          driver: postgres(proxy.urlOf(url)),
          [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
        };
      }),
};

const seed = testSeed();

for (const [name, makeBed] of Object.entries(BEDS)) {
  Deno.test({
    name: `claims: ${TENANTS} tenants see no row of each other, on ${name}`,
    ignore: makeBed === undefined,
    async fn() {
      assert(makeBed !== undefined);
      await using bed = await makeBed();
      const isPooled = name === "PostgreSQL" || name === "PgBouncer";
      await using engine = createEngine(bed.driver, {
        ...(isPooled && {
          pool: (driver) =>
            new QueuePool(driver, { poolSize: 4, maxOverflow: 0 }),
        }),
      });
      const Sessions = sessionmaker(engine, { schema, requireClaims: true });
      const random = seeded(seed);
      const errors: string[] = [];
      async function request(tenant: number): Promise<void> {
        await using db = Sessions({ claims: { sub: `u${tenant}`, tenant } });
        const foreign = (rows: { tenant: number }[]) =>
          rows.some((row) => row.tenant !== tenant);
        const kind = random(4);
        const rows = kind === 0
          ? await db.find(docs)
          : await db.select().from(docs);
        if (rows.length < 3 || foreign(rows)) errors.push(`${tenant} read`);
        switch (kind) {
          case 1:
            db.add(docs, { tenant, n: 0 });
            break;
          case 2:
            await db.update(docs).set({ n: sql`n + 1` });
            if (foreign(await db.select().from(docs))) {
              errors.push(`${tenant} wrote`);
            }
            break;
          case 3:
            return await db.rollback();
        }
        await db.commit();
        await db.close();
      }
      const tenants = Array.from(
        { length: TENANTS * REQUESTS },
        (_, at) => at % TENANTS + 1,
      );
      // As many at once as a busy isolate has.
      const waiting = tenants.values();
      await Promise.all(Array.from({ length: 50 }, async () => {
        for (const tenant of waiting) await request(tenant);
      }));
      assertEquals(errors, []);
      // Nothing is left on a connection that others use.
      const Owner = sessionmaker(engine);
      const left = await mapTasks(Owner, [1, 2, 3, 4], async (db) => {
        const { rows } = await db.execute(
          "select current_user = session_user as is_own, nullif(current_setting('request.jwt.claims', true), '') as claims",
        );
        return rows[0];
      });
      assertEquals(
        left,
        left.map(() => ({ is_own: IS_OWN, claims: null })),
      );
    },
  });
}

const IS_OWN = true;

/** Somebody with claims, on a server whose log is read. */
async function withClaims(
  run: (bed: {
    database: TestDatabase;
    Sessions: ReturnType<typeof sessionmaker<typeof schema>>;
  }) => Promise<void>,
): Promise<void> {
  const database = await testDatabase({ setup: `${ROLES}; ${MIGRATION}` });
  try {
    await using engine = createEngine(postgres(database.url));
    await run({ database, Sessions: sessionmaker(engine, { schema }) });
  } finally {
    await database.drop();
  }
}

const CLAIMS = { sub: "u1", tenant: 1 };

async function whoIs(db: Session<typeof schema>): Promise<unknown> {
  const { rows } = await db.execute(
    "select current_user as role, current_setting('request.jwt.claims', true)::json as claims",
  );
  return rows[0];
}

Deno.test("claims: they cost no round trip, on any transport", async () => {
  await withClaims(async ({ Sessions }) => {
    const trips: number[] = [];
    for (const options of [{}, { claims: CLAIMS }]) {
      const db = Sessions(options);
      await db.select().from(docs);
      db.add(docs, { tenant: 1, n: 9 });
      await db.commit();
      await db.insert(docs).values({ tenant: 1, n: 10 });
      await db.commit();
      trips.push(db.stats.roundTrips);
      await db.close();
    }
    assertEquals(trips[0], trips[1]);
  });
});

Deno.test("claims: every transaction of a session has them, and every savepoint", async () => {
  await withClaims(async ({ Sessions }) => {
    await using db = Sessions({ claims: CLAIMS });
    const expected = { role: "authenticated", claims: CLAIMS };
    assertEquals(await whoIs(db), expected);
    await db.commit();
    assertEquals(await whoIs(db), expected);
    await db.beginNested(async (tx) => {
      await tx.execute("set local role anon");
      throw new Error("undone");
    }).catch(() => {});
    assertEquals(await whoIs(db), expected);
    await db.rollback();
    assertEquals(await whoIs(db), expected);
    await db.close();
  });
});

Deno.test("claims: a write for somebody else is refused, and hooks speak for the user as well", async () => {
  await withClaims(async ({ Sessions }) => {
    await using db = Sessions({ claims: CLAIMS });
    db.add(docs, { tenant: 2 });
    const error = await assertRejects(() => db.commit(), DatabaseError);
    assertEquals(error.sqlstate, "42501");
    await db.rollback();
    const seen: unknown[] = [];
    const Hooked = sessionmaker(Sessions.engine, {
      schema,
      hooks: {
        async afterBegin(tx) {
          const { rows } = await tx.execute("select current_user as role");
          seen.push(rows[0]?.role);
          return { "app.seen": "1" };
        },
      },
    }).with({ claims: CLAIMS });
    await Hooked.begin((tx) => tx.select().from(docs).then(() => {}));
    assertEquals(seen, ["authenticated"]);
  });
});

Deno.test("claims: a factory, tasks and retries keep them", async () => {
  await withClaims(async ({ Sessions, database }) => {
    for (const statement of ledgerMigration) await database.query(statement);
    const Mine = Sessions.with({ claims: CLAIMS });
    const counts = await mapTasks(Mine, [1, 2], (db) => db.$count(docs));
    assertEquals(counts, [3, 3]);
    await Mine.begin((db) => {
      db.add(docs, { tenant: 1 });
      return Promise.resolve();
    }, { lostCommit: "ledger", retry: {} });
    assertEquals(await Mine.on(Sessions.engine)().$count(docs), 4);
  });
});

Deno.test("claims: a request whose claims are promised is refused", async () => {
  await withClaims(async ({ Sessions, database }) => {
    const app = new Hono<{ Variables: SessionVariables<typeof schema> }>();
    app.use(dbSession(Sessions, { claims: () => Promise.resolve(CLAIMS) }));
    app.get("/", async (c) => c.json(await whoIs(c.var.db)));
    app.onError((error, c) => c.text(`${error.name}: ${error.message}`, 500));
    const before = (await database.log()).length;
    const response = await app.request("/");
    assertEquals(response.status, 500);
    assertStringIncludes(await response.text(), "no promise of one");
    assertEquals((await database.log()).length, before);
  });
});

Deno.test("claims: they choose no role that is not allowed", () => {
  const rules = { roles: USUAL_ROLES, requireClaims: false };
  const roleOf = (
    identity: Parameters<typeof identitySettings>[0],
    roles = rules.roles,
  ) => identitySettings(identity, { ...rules, roles })?.role;
  assertEquals(roleOf({ claims: {} }), "authenticated");
  assertEquals(roleOf({ claims: { role: "anon" } }), "anon");
  for (const role of ["postgres", "service_role", "ANON", ["anon"], null]) {
    assertEquals(roleOf({ claims: { role } }), "authenticated");
  }
  assertEquals(
    roleOf({ claims: { role: "anon" }, role: "authenticated" }),
    "authenticated",
  );
  assertEquals(roleOf({ role: "anon" }), "anon");
  assertEquals(roleOf({}), undefined);
  assertEquals(roleOf({ claims: { role: "anon" } }, []), undefined);
  const error = assertThrows(() => roleOf({ role: "postgres" }), RangeError);
  assertFalse(error.message.includes("postgres"), error.message);
  const ring: Record<string, unknown> = { secret: "marker" };
  ring.ring = ring;
  const promise = Promise.resolve({ sub: "marker" });
  const wrong: unknown[] = [
    ring,
    { n: 1n },
    "marker",
    ["marker"],
    null,
    promise,
    { then: () => {} },
  ];
  for (const claims of wrong) {
    const told = assertThrows(
      () => roleOf({ claims: claims as Record<string, unknown> }),
      TypeError,
      "claims",
    );
    assertFalse(told.message.includes("marker"), told.message);
  }
});

Deno.test("claims: roles are a list, because of one name any part would be allowed", () => {
  const engine = createEngine(recordingDriver());
  const wrong: unknown[] = ["marker", null, [1], { 0: "marker" }, 7];
  for (const roles of wrong) {
    const error = assertThrows(
      () => sessionmaker(engine, { roles: roles as string[] }),
      TypeError,
      '"roles"',
    );
    assertFalse(error.message.includes("marker"), error.message);
  }
});

Deno.test("claims: without them nothing is sent, where they are required", async () => {
  await withClaims(async ({ Sessions, database }) => {
    const Strict = sessionmaker(Sessions.engine, {
      schema,
      requireClaims: true,
    });
    const calls: Record<
      string,
      (db: Session<typeof schema>) => Promise<unknown>
    > = {
      select: (db) => db.select().from(docs).then(() => {}),
      get: (db) => db.get(docs, 1),
      execute: (db) => db.execute("select 1").then(() => {}),
      insert: (db) => db.insert(docs).values({ tenant: 1 }).then(() => {}),
      flush: (db) => {
        db.add(docs, { tenant: 1 });
        return db.flush();
      },
      stream: (db) => db.stream(sql`select 1`).next(),
    };
    const before = (await database.log()).length;
    for (const [name, call] of Object.entries(calls)) {
      const db = Strict();
      const error = await assertRejects(() => call(db), StateError, "claims");
      assertEquals(error.code, "CLAIMS_REQUIRED", name);
      await db.close();
    }
    const pending = Strict();
    pending.add(docs, { tenant: 1 });
    await assertRejects(() => pending.commit(), StateError);
    await pending.close();
    assertEquals((await database.log()).length, before);
    await using asked = Sessions({ requireClaims: true });
    await assertRejects(() => asked.get(docs, 1), StateError, "claims");
  });
});

Deno.test("claims: what a factory says holds behind every entry point", async () => {
  await withClaims(async ({ Sessions }) => {
    const Anon = Sessions.with({ role: "anon" });
    const scope = scopedSession(Sessions);
    const requiresNew = { propagation: "requiresNew" } as const;
    const app = new Hono<{ Variables: SessionVariables<typeof schema> }>();
    app.get(
      "/role",
      dbSession(Anon),
      async (c) => c.json(await whoIs(c.var.db)),
    );
    app.use(dbSession(scope, { claims: () => CLAIMS }));
    app.get("/own", async (c) => {
      const own = await scope.begin(whoIs, requiresNew);
      const apart = await scope.run(whoIs);
      return c.json([own, apart]);
    });
    const behind = Promise.withResolvers<unknown>();
    app.get("/behind", (c) => {
      background(
        c,
        Sessions,
        async (db) => behind.resolve(await whoIs(db)),
      );
      return streamSession(c, Sessions, async (db) => c.json(await whoIs(db)));
    });
    // A callback that comes late, when the request's session has closed.
    let late: () => Promise<unknown> = () => Promise.resolve();
    app.get("/late", (c) => {
      late = scope.bind(() =>
        Promise.all([scope.begin(whoIs, requiresNew), scope.run(whoIs)])
      );
      return c.json(null);
    });
    const ask = async (path: string) => await (await app.request(path)).json();
    const mine = { role: "authenticated", claims: CLAIMS };
    assertEquals(await ask("/role"), { role: "anon", claims: null });
    assertEquals(await ask("/own"), [mine, mine]);
    assertEquals(await ask("/behind"), mine);
    assertEquals(await behind.promise, mine);
    await ask("/late");
    assertEquals(await late(), [mine, mine]);
    await Sessions.engine.idle();
    // Who is asked for claims and has none gets nobody else's.
    const strict = new Hono<{ Variables: SessionVariables<typeof schema> }>();
    strict.use(
      dbSession(Sessions.with({ claims: CLAIMS }), { claims: () => undefined }),
    );
    strict.get("/", async (c) => c.json(await whoIs(c.var.db)));
    strict.onError((error, c) =>
      c.text("code" in error ? `${error.code}` : "", 500)
    );
    assertEquals(await (await strict.request("/")).text(), "CLAIMS_REQUIRED");
  });
});

Deno.test("claims: who is named inside of another's session has nothing of theirs", async () => {
  await withClaims(async ({ Sessions }) => {
    const scope = scopedSession(Sessions);
    const inside: unknown[] = [];
    const app = new Hono();
    app.use(dbSession(scope, { claims: () => CLAIMS, role: () => "anon" }));
    const other = { sub: "u2", tenant: 2 };
    app.get("/", async (c) => {
      inside.push(
        await scope.run(whoIs),
        await scope.run(whoIs, { role: "authenticated" }),
        await scope.run(whoIs, { claims: other }),
      );
      background(c, scope, async (db) => inside.push(await whoIs(db)), {
        claims: () => other,
      });
      return await streamSession(
        c,
        scope,
        async (db) => c.json(await whoIs(db)),
        { claims: () => other },
      );
    });
    const theirs = { role: "authenticated", claims: other };
    assertEquals(await (await app.request("/")).json(), theirs);
    await Sessions.engine.idle();
    assertEquals(inside, [
      { role: "anon", claims: CLAIMS },
      { role: "authenticated", claims: CLAIMS },
      theirs,
      theirs,
    ]);

    const mine = { claims: CLAIMS, authToken: "mine" };
    await scope.run(() => {
      const identities = [{}, { claims: other }, { authToken: "theirs" }]
        .map((options) => scope.open(options).identity);
      assertEquals(
        identities.map(({ claims, authToken }) => ({ claims, authToken })),
        [
          mine,
          { claims: other, authToken: undefined },
          { claims: undefined, authToken: "theirs" },
        ],
      );
      return Promise.resolve();
    }, mine);
  });
});

Deno.test("claims: work behind an answer finds its request by any name", async () => {
  await withClaims(async ({ Sessions }) => {
    const behind: Record<string, unknown> = {};
    const app = new Hono<
      { Variables: SessionVariables<typeof schema, "orm"> }
    >();
    app.use(dbSession(Sessions, { key: "orm", claims: () => CLAIMS }));
    app.get("/", async (c) => {
      let hasEnded = false;
      void c.var.orm.closed.then(() => hasEnded = true);
      await whoIs(c.var.orm);
      for (const options of [{}, { key: "orm" }]) {
        background(c, Sessions, async (db) => {
          const isBehind = hasEnded;
          behind[options.key ?? ""] = { isBehind, who: await whoIs(db) };
        }, options);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
      return streamSession(c, Sessions, async (db) => c.json(await whoIs(db)));
    });
    const mine = { role: "authenticated", claims: CLAIMS };
    assertEquals(await (await app.request("/")).json(), mine);
    await Sessions.engine.idle();
    const found = { isBehind: true, who: mine };
    assertEquals(behind, { "": found, orm: found });
  });
});

Deno.test("claims: what one user has read is no cached answer for another", async () => {
  await withClaims(async ({ Sessions }) => {
    const store = new Map<string, unknown>();
    class Shared extends Cache {
      static override readonly [entityKind] = "Shared";
      override strategy = () => "all" as const;
      override get = (key: string) => Promise.resolve(store.get(key) as never);
      override put = (key: string, value: unknown) =>
        Promise.resolve(void store.set(key, value));
      override onMutate = () => Promise.resolve();
    }
    const Cached = sessionmaker(Sessions.engine, {
      schema,
      cache: new Shared(),
    });
    for (const tenant of [1, 2]) {
      await using db = Cached({ claims: { tenant } });
      const rows = await db.select().from(docs);
      assertEquals(new Set(rows.map((row) => row.tenant)), new Set([tenant]));
      await db.commit();
      await db.close();
    }
    // A hook sets the same, at a time when a cache has answered already.
    for (const tenant of [1, 2]) {
      const Hooked = sessionmaker(Sessions.engine, {
        schema,
        cache: new Shared(),
        hooks: {
          afterBegin: () => ({
            role: "authenticated",
            "request.jwt.claims": JSON.stringify({ tenant }),
          }),
        },
      });
      const rows = await Hooked.begin((db) => db.query.docs.findMany());
      assertEquals(new Set(rows.map((row) => row.tenant)), new Set([tenant]));
      const selected = await Hooked.begin((db) =>
        db.select().from(docs).then((all) => all)
      );
      assertEquals(selected, rows);
    }
    // What everybody may see is not for who has to say who asks.
    await Cached.begin((db) => db.select().from(docs).then(() => {}));
    assertEquals(store.size, 1);
    await using nobody = Cached({ requireClaims: true });
    await assertRejects(
      () => nobody.select().from(docs).then(() => {}),
      StateError,
      "claims",
    );
  });
});

Deno.test("claims: a request without any is refused where there are some", async () => {
  await withClaims(async ({ Sessions }) => {
    const app = new Hono<{ Variables: SessionVariables<typeof schema> }>();
    app.use(dbSession(Sessions, {
      claims: (c) =>
        JSON.parse(c.req.header("x-claims") ?? "null") ?? undefined,
    }));
    app.get("/", async (c) => c.json(await c.var.db.$count(docs)));
    app.onError((error, c) =>
      c.text("code" in error ? `${error.code}` : "", 500)
    );
    const ask = async (claims?: object) => {
      const headers: HeadersInit = claims
        ? { "x-claims": JSON.stringify(claims) }
        : {};
      return await (await app.request("/", { headers })).text();
    };
    assertEquals(await ask(CLAIMS), "3");
    assertEquals(await ask({ ...CLAIMS, role: "postgres" }), "3");
    assertEquals(await ask({ role: "anon" }), "0");
    assertEquals(await ask(), "CLAIMS_REQUIRED");
  });
});
