import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  createEngine,
  type Engine,
  ScopeError,
  sessionmaker,
} from "@nullpool/db";
import { dbSession, type DbSessionOptions } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { type ScopedSession, scopedSession } from "@nullpool/db/scoped";
import { betterAuth } from "better-auth";
import { Hono } from "hono";
import {
  authOptions,
  type AuthSettings,
  isNoCrash,
} from "./better_auth_app.ts";
import { schema } from "./better_auth_schema.ts";
import { type Ask, asking, person, startNeon } from "./better_auth_bed.ts";

const SIGN_UP = "/api/auth/sign-up/email";
const SIGN_IN = "/api/auth/sign-in/email";
const SEND_CODE = "/api/auth/email-otp/send-verification-otp";
const ENTER_CODE = "/api/auth/sign-in/email-otp";
const ada = person("Ada");
const codeForAda = { email: ada.email, type: "sign-in" };

/** better-auth behind the middleware, and nothing else. */
interface Bed {
  readonly ask: Ask;
  readonly auth: ReturnType<typeof betterAuth>;
  readonly engine: Engine;
  readonly scope: ScopedSession<typeof schema>;
  /** What Hono was told. */
  readonly errors: Error[];
  /** What better-auth wants to run behind the response. */
  readonly behind: Promise<unknown>[];
  /** Sends a code. */
  mail: (code: string) => Promise<unknown>;
  query(sql: string): Promise<unknown[]>;
  log(): Promise<string[]>;
}

/** How the middleware is used, and better-auth. */
interface BedOptions {
  readonly middleware?: DbSessionOptions;
  readonly settings?: AuthSettings;
}

function requestTest(
  name: string,
  { middleware, settings }: BedOptions,
  run: (bed: Bed) => Promise<void>,
): void {
  Deno.test(`better-auth ${name}`, async () => {
    await using neonBed = await startNeon();
    const { database, endpoint, url } = neonBed;
    await using engine = createEngine(neon(url));
    const scope = scopedSession(sessionmaker(engine, { schema }));
    const app = new Hono();
    const auth = betterAuth(authOptions(scope.db, {
      mail: async (_, code) => void await bed.mail(code),
      background: (work) => void bed.behind.push(work),
      ...settings,
    }));
    const bed: Bed = {
      ask: asking((path, init) => app.request(path, init)),
      auth,
      engine,
      scope,
      errors: [],
      behind: [],
      mail: () => Promise.resolve(),
      query: (sql) => database.query(sql),
      log: () => database.log(),
    };
    app.use(dbSession(scope, { commitWhen: isNoCrash, ...middleware }));
    app.on(["GET", "POST"], "*", (c) => auth.handler(c.req.raw));
    app.onError((error, c) => {
      bed.errors.push(error);
      return c.text("failed", 500);
    });
    await run(bed);
    await Promise.all(bed.behind);
    await engine.idle();
    await endpoint.idle();
    await database.waitFor(async () => await database.connections() === 0);
  });
}

requestTest(
  "signs up in one transaction, of five flights on one connection",
  {},
  async ({ ask, engine, log }) => {
    const told: string[] = [];
    engine.on("connect", () => told.push("connect"));
    engine.on("flight", ({ transport }) => told.push(transport));
    engine.on("commit", () => told.push("commit"));
    assertEquals((await ask(SIGN_UP, { body: ada })).status, 200);
    const words = (await log()).map((sql) => sql.split(" ", 1)[0]);
    assertEquals(words, [
      ...["begin", "savepoint", "select"],
      ...["insert", "insert", "insert"],
      ...["release", "commit"],
    ]);
    assertEquals(told, ["connect", ...Array(4).fill("interactive"), "commit"]);
  },
);

for (const [answered, transaction] of [[422, true], [500, false]] as const) {
  requestTest(
    `answers ${answered} to an insert that fails, with transaction: ${transaction}`,
    { settings: { transaction } },
    async ({ ask, query, errors }) => {
      await query(`alter table "user" add check (name <> 'Ada')`);
      const { status, cookie } = await ask(SIGN_UP, { body: ada });
      assertEquals([status, cookie], [answered, ""]);
      // better-auth swallows it; without a savepoint the commit finds it.
      assertEquals(
        errors.map((error) => "code" in error && error.code),
        transaction ? [] : ["TRANSACTION_FAILED"],
      );
      assertEquals(await query('select from "user"'), []);
      const eve = { ...ada, name: "Eve" };
      assertEquals((await ask(SIGN_UP, { body: eve })).status, 200);
    },
  );
}

requestTest(
  "cannot count wrong codes where every 400 is rolled back",
  { middleware: { commitWhen: (c) => c.res.status < 400 } },
  async (bed) => {
    let sent = "";
    bed.mail = (code) => Promise.resolve(sent = code);
    await bed.ask(SEND_CODE, { body: codeForAda });
    async function enter(otp: string): Promise<number> {
      const body = { email: ada.email, otp };
      return (await bed.ask(ENTER_CODE, { body })).status;
    }
    // What `commitWhen` is set for: three are allowed.
    for (let guess = 0; guess < 4; guess++) assertEquals(await enter("x"), 400);
    assertEquals(await enter(sent), 200);
  },
);

requestTest(
  "is refused a commit around a statement in the background",
  {},
  async (bed) => {
    const { ask, scope, errors, query } = bed;
    bed.mail = () => scope.db.execute("insert into workspace values ('a','b')");
    assertEquals((await ask(SEND_CODE, { body: codeForAda })).status, 500);
    await Promise.all(bed.behind);
    const message =
      "Cannot commit: a statement of this session is still running";
    assertStringIncludes(String(errors[0]?.message), message);
    assertEquals(await query("select from verification, workspace"), []);
  },
);

requestTest(
  "tells background work that its request has ended",
  {},
  async (bed) => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const failures: unknown[] = [];
    bed.mail = () =>
      ended.then(() => bed.scope.db.execute("select 1"))
        .catch((error) => failures.push(error));
    const { status } = await bed.ask(SEND_CODE, { body: codeForAda });
    end();
    await Promise.all(bed.behind);
    assertEquals([status, failures.length], [200, 1]);
    assertStringIncludes(String(failures[0]), "use background()");
  },
);

requestTest(
  "runs background work in a session of its own",
  {},
  async (bed) => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    bed.mail = () =>
      bed.scope.begin(async (db) => {
        await ended;
        await db.execute(`insert into verification
          select 'seen', identifier, '', now() from verification`);
      }, { propagation: "requiresNew" });
    const { status } = await bed.ask(SEND_CODE, { body: codeForAda });
    end();
    await Promise.all(bed.behind);
    const rows = await bed.query("select id from verification where value=''");
    assertEquals([status, rows], [200, [{ id: "seen" }]]);
  },
);

for (const [isKept, mails] of [[true, 1], [false, 0]] as const) {
  requestTest(
    `sends ${mails} mails of a request, which commits: ${isKept}`,
    { middleware: { commitWhen: () => isKept } },
    async (bed) => {
      const sent: string[] = [];
      bed.mail = (code) => {
        bed.scope.db.afterCommit(() => sent.push(code));
        return Promise.resolve();
      };
      const { status } = await bed.ask(SEND_CODE, { body: codeForAda });
      assertEquals([status, sent.length], [200, mails]);
    },
  );
}

requestTest(
  "counts requests in the database, each statement for itself",
  {
    middleware: { transaction: { isolationLevel: "autocommit" } },
    settings: {
      transaction: false,
      rateLimit: {
        enabled: true,
        storage: "database",
        customRules: { "/sign-in/email": { window: 60, max: 3 } },
      },
    },
  },
  async ({ ask, query }) => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => ask(SIGN_IN, { body: ada })),
    );
    assertEquals(
      answers.map(({ status }) => status).sort(),
      [401, 401, 401, 429, 429],
    );
    assertEquals(await query("select count from rate_limit"), [{ count: 3 }]);
  },
);

requestTest(
  "has no session outside of a request, unless a scope is begun",
  {},
  async ({ auth, scope, query }) => {
    const signUp = () =>
      auth.api.signUpEmail({
        body: { name: "Ada", email: "ada@example.com", password: "a password" },
      });
    const { code } = await assertRejects(signUp, ScopeError);
    assertEquals([code, await query('select from "user"')], ["NO_SCOPE", []]);
    await scope.begin(signUp);
    assertEquals((await query('select from "user"')).length, 1);
  },
);
