import { assertEquals, assertStringIncludes } from "@std/assert";
import { aroundTests } from "../support/workerd.ts";
import {
  type Ask,
  person,
  type RunningApp,
  startInDeno,
  startInWorkerd,
} from "./better_auth_bed.ts";

const SIGN_UP = "/api/auth/sign-up/email";
const SIGN_IN = "/api/auth/sign-in/email";

/** Rows of each user: accounts, sessions and workspaces. */
const ROWS = `select email,
    (select count(*)::int from account where user_id = u.id) as accounts,
    (select count(*)::int from session where user_id = u.id) as sessions,
    (select count(*)::int from workspace where owner_id = u.id) as workspaces
  from "user" u order by email`;

async function startsAndEndsSessions(
  ask: Ask,
  database: RunningApp["database"],
) {
  const ada = person("Ada");
  const signedUp = await ask(SIGN_UP, { body: ada });
  assertEquals(signedUp.status, 200, JSON.stringify(signedUp.body));
  assertStringIncludes(signedUp.cookie, "better-auth.session_token=");

  const again = await ask(SIGN_UP, { body: { ...ada, name: "Eve" } });
  assertEquals([again.status, again.body.code, again.cookie], [
    422,
    "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
    "",
  ]);
  const wrong = await ask(SIGN_IN, { body: { ...ada, password: "a guess" } });
  assertEquals([wrong.status, wrong.cookie], [401, ""]);
  const row = { email: ada.email, accounts: 1, workspaces: 0 };
  assertEquals(await database.query(ROWS), [{ ...row, sessions: 1 }]);

  const { status, cookie } = await ask(SIGN_IN, { body: ada });
  assertEquals(status, 200);
  assertEquals(await database.query(ROWS), [{ ...row, sessions: 2 }]);
  assertEquals((await ask("/app/me")).status, 401);
  const forged = { cookie: cookie.replace("=", "=x") };
  assertEquals((await ask("/app/me", forged)).status, 401);
  const me = await ask("/app/me", { cookie });
  assertEquals(me.body, { email: ada.email, workspaces: [] });

  assertEquals(
    (await ask("/api/auth/sign-out", { body: {}, cookie })).status,
    200,
  );
  assertEquals((await ask("/app/me", { cookie })).status, 401);
  const other = await ask("/app/me", { cookie: signedUp.cookie });
  assertEquals(other.status, 200);
  assertEquals(await database.query(ROWS), [{ ...row, sessions: 1 }]);
}

async function keepsRequestsApart(ask: Ask, database: RunningApp["database"]) {
  const people = Array.from({ length: 30 }, (_, n) => person(`P${n}`));
  const answers = await Promise.all(
    people.map((each) => ask(SIGN_UP, { body: each })),
  );
  const seen = await Promise.all(
    answers.map(({ cookie }) => ask("/app/me", { cookie })),
  );
  for (const [n, { email }] of people.entries()) {
    assertEquals(answers[n]?.status, 200, JSON.stringify(answers[n]?.body));
    assertEquals(seen[n]?.body, { email, workspaces: [] });
  }
  const rows = await database.query(ROWS);
  assertEquals(rows.length, 30);
  for (const { accounts, sessions } of rows) {
    assertEquals([accounts, sessions], [1, 1]);
  }
}

async function takesAnAddressOnce(ask: Ask, database: RunningApp["database"]) {
  const ada = person("Ada");
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => ask(SIGN_UP, { body: ada })),
  );
  const statuses = answers.map(({ status }) => status).sort();
  assertEquals(statuses, [200, 422, 422, 422, 422]);
  assertEquals(await database.query(ROWS), [
    { email: ada.email, accounts: 1, sessions: 1, workspaces: 0 },
  ]);
}

async function undoesTheWholeRequest(
  ask: Ask,
  database: RunningApp["database"],
) {
  const [ada, ben] = [person("Ada"), person("Ben")];
  const joined = await ask("/app/members", { body: { ...ada, slug: "tea" } });
  assertEquals(joined.status, 201, JSON.stringify(joined.body));
  const before = await database.query(ROWS);

  const taken = await ask("/app/members", { body: { ...ben, slug: "tea" } });
  assertEquals([taken.status, taken.body.code], [500, "INTEGRITY_VIOLATION"]);
  // Only COMMIT finds this out, when the handler has set its cookie.
  const refused = await ask("/app/members", {
    body: { ...ben, slug: "pot", owner: "nobody" },
  });
  assertEquals([refused.status, refused.body.code, refused.cookie], [
    500,
    "INTEGRITY_VIOLATION",
    "",
  ]);
  assertEquals(await database.query(ROWS), before);

  const later = await ask("/app/members", { body: { ...ben, slug: "pot" } });
  assertEquals([later.status, later.body.email], [201, ben.email]);
  const me = await ask("/app/me", { cookie: later.cookie });
  assertEquals(me.body, { email: ben.email, workspaces: ["pot"] });
}

async function countsWrongCodes(ask: Ask) {
  const { email } = person("Ada");
  const asked = { email, type: "sign-in" };
  await ask("/api/auth/email-otp/send-verification-otp", { body: asked });
  const { body: mails } = await ask("/mails");
  const [, code] = Object.values(mails).flat(0).at(-1) as [string, string];
  async function enter(otp: string): Promise<unknown> {
    const body = { email, otp };
    return (await ask("/api/auth/sign-in/email-otp", { body })).body.code;
  }
  assertEquals(
    [await enter("x"), await enter("x"), await enter("x"), await enter(code)],
    ["INVALID_OTP", "INVALID_OTP", "INVALID_OTP", "TOO_MANY_ATTEMPTS"],
  );
}

const STEPS = {
  "signs up, in and out": startsAndEndsSessions,
  "30 sign-ups at once never mix": keepsRequestsApart,
  "five sign-ups with one address are one": takesAnAddressOnce,
  "a request that fails behind a sign-up is undone": undoesTheWholeRequest,
  "wrong codes are counted": countsWrongCodes,
  async "outside of a request the error names the cure"(ask: Ask) {
    const { status, body } = await ask("/outside/", { body: person("Ada") });
    assertEquals([status, body.code], [500, "NO_SCOPE"]);
    assertStringIncludes(String(body.message), "use scope.run(), or the dbS");
  },
};

for (
  const [runtime, start] of Object.entries({
    Deno: startInDeno,
    workerd: startInWorkerd,
  })
) {
  const shared = aroundTests(start);
  Deno.test(`better-auth in ${runtime}, over neon()`, async (t) => {
    const { ask, database, endpoint } = shared();
    for (const [name, run] of Object.entries(STEPS)) {
      await t.step(name, async () => {
        await database.query(
          `truncate "user", account, session, verification, workspace`,
        );
        await run(ask, database);
        await database.waitFor(async () => await database.connections() === 0);
      });
    }
    // A goodbye that was not answered yet keeps a timer.
    await endpoint.idle();
  });
}
