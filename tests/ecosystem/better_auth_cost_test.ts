import { assertEquals } from "@std/assert";
import { createEngine, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { scopedSession } from "@nullpool/db/scoped";
import { neon as neonQuery } from "@neondatabase/serverless";
import { betterAuth } from "better-auth";
import { drizzle as overHttp } from "drizzle-orm/neon-http";
import { drizzle as overPool } from "drizzle-orm/neon-serverless";
import { Hono } from "hono";
import { testPool } from "../dev/neon_client.ts";
import { wireCounter, type WireCounts } from "../support/wire_counter.ts";
import { authOptions, isNoCrash } from "./better_auth_app.ts";
import { schema } from "./better_auth_schema.ts";
import {
  type Answer,
  type Ask,
  asking,
  person,
  type Question,
  startNeon,
} from "./better_auth_bed.ts";

/** A database that better-auth is given, and what asks for it. */
interface Way extends AsyncDisposable {
  readonly ask: Ask;
  /** Calls as soon as the answer is known: nobody waits for a goodbye. */
  onAnswer?(counted: () => void): void;
}

/** HTTP requests, WebSockets, and how often an answer is waited for. */
type Counts = readonly [requests: number, webSockets: number, flights: number];

/** What a request costs from a cold start; TCP and TLS come on top. */
interface Costs {
  readonly signUp: Counts;
  readonly signIn: Counts;
  readonly getSession: Counts;
}

function plainWay(database: object, transaction: boolean): Way {
  const auth = betterAuth(authOptions(database, { transaction }));
  return {
    ask: asking((path, init) =>
      auth.handler(new Request(new URL(path, "http://localhost"), init))
    ),
    async [Symbol.asyncDispose]() {},
  };
}

/** It has no transactions. */
function plainHttp(url: string): Way {
  const transaction = false;
  return plainWay(overHttp(neonQuery(url), { schema }), transaction);
}

/** As on Workers, where nothing can be kept for the next request. */
function poolPerRequest(url: string): Way {
  const pool = testPool(url, 1);
  const transaction = true;
  return {
    ...plainWay(overPool(pool, { schema }), transaction),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

function scoped(
  url: string,
  { joins = false, isInteractive = false } = {},
): Way {
  const engine = createEngine(neon(url));
  const scope = scopedSession(sessionmaker(engine, { schema }));
  const auth = betterAuth(authOptions(scope.db, { joins }));
  const app = new Hono()
    .use(dbSession(scope, {
      commitWhen: isNoCrash,
      interactive: () => isInteractive,
    }))
    .on(["GET", "POST"], "*", (c) => auth.handler(c.req.raw));
  return {
    ask: asking((path, init) => app.request(path, init)),
    onAnswer: (counted) => void engine.on("commit", counted),
    [Symbol.asyncDispose]: () => engine.dispose(),
  };
}

const WAYS: Readonly<Record<string, [(url: string) => Way, Costs]>> = {
  "Drizzle over neon-http, without transactions": [plainHttp, {
    signUp: [4, 0, 4],
    signIn: [3, 0, 3],
    getSession: [2, 0, 2],
  }],
  "Drizzle over neon-serverless, a pool per request": [poolPerRequest, {
    signUp: [0, 1, 7],
    signIn: [0, 1, 4],
    getSession: [0, 1, 3],
  }],
  "scope.db": [scoped, {
    signUp: [0, 1, 6],
    signIn: [2, 1, 5],
    getSession: [2, 0, 2],
  }],
  "scope.db, interactive": [(url) => scoped(url, { isInteractive: true }), {
    signUp: [0, 1, 6],
    signIn: [0, 1, 5],
    getSession: [0, 1, 4],
  }],
  "scope.db, with joins": [(url) => scoped(url, { joins: true }), {
    signUp: [0, 1, 6],
    signIn: [1, 1, 4],
    getSession: [1, 0, 1],
  }],
};

for (const [name, [open, costs]] of Object.entries(WAYS)) {
  Deno.test(`round trips of better-auth on ${name}`, async () => {
    await using bed = await startNeon();
    await using wire = wireCounter(bed.endpoint.url);
    const url = new URL(bed.url);
    url.port = String(wire.port);

    async function count(path: string, question: Question): Promise<[
      Counts,
      Answer,
    ]> {
      await bed.endpoint.idle();
      wire.take();
      await using way = open(url.href);
      let counts: WireCounts | undefined;
      way.onAnswer?.(() => counts = wire.take());
      const answer = await way.ask(path, question);
      const { requests, upgrades, flights } = counts ?? wire.take();
      assertEquals(answer.status, 200);
      return [[requests, upgrades, flights], answer];
    }

    const body = person("Ada");
    const [signUp] = await count("/api/auth/sign-up/email", { body });
    const [signIn, { cookie }] = await count("/api/auth/sign-in/email", {
      body,
    });
    const [getSession, answer] = await count("/api/auth/get-session", {
      cookie,
    });
    assertEquals(Object.keys(answer.body), ["session", "user"]);
    assertEquals({ signUp, signIn, getSession }, costs);
  });
}
