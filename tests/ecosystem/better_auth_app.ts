import { createEngine, NullpoolError, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { scopedSession } from "@nullpool/db/scoped";
import { betterAuth, type BetterAuthOptions } from "better-auth";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { emailOTP } from "better-auth/plugins/email-otp";
import { eq } from "drizzle-orm";
import { type Context, Hono } from "hono";
import { schema, workspace } from "./better_auth_schema.ts";

/** What the test binds. */
export interface Bindings {
  /** Of a Neon endpoint. */
  readonly DATABASE_URL: string;
}

let url: string | undefined;

/** Its URL is not known before the first request. */
export const engine = createEngine(neon(() => url));
/** Which session belongs to the running request. */
export const scope = scopedSession(sessionmaker(engine, { schema }));
const { db } = scope;

/** What was sent by mail, to whom. */
const mails: [email: string, code: string][] = [];

/** What differs between the tests' own. */
export interface AuthSettings {
  /** @default {true} */
  readonly transaction?: boolean;
  /** Whether rows come with their relations. @default {false} */
  readonly joins?: boolean;
  /** Whether requests are counted, and where. @default {they are not} */
  readonly rateLimit?: BetterAuthOptions["rateLimit"];
  /** @default {none: what it runs is waited for} */
  readonly background?: (work: Promise<unknown>) => void;
  /** @default {what `GET /mails` shows, once the request has committed} */
  readonly mail?: (email: string, code: string) => Promise<void>;
}

/**
 * Options of better-auth over any Drizzle database.
 *
 * @param database The one it keeps for its life.
 * @param settings What differs.
 */
export function authOptions(
  database: object,
  settings: AuthSettings = {},
): BetterAuthOptions {
  const { transaction = true, joins = false, rateLimit = {} } = settings;
  const { background, mail = mailOnCommit } = settings;
  return {
    database: drizzleAdapter(database, { provider: "pg", schema, transaction }),
    baseURL: "http://localhost",
    secret: "of these tests alone, 6b0f2d9c4e81a735",
    emailAndPassword: { enabled: true },
    logger: { disabled: true },
    rateLimit,
    advanced: {
      database: { joins },
      ...(background && { backgroundTasks: { handler: background } }),
    },
    plugins: [
      emailOTP({ sendVerificationOTP: ({ email, otp }) => mail(email, otp) }),
    ],
  };
}

function mailOnCommit(email: string, code: string): Promise<void> {
  db.afterCommit(() => mails.push([email, code]));
  return Promise.resolve();
}

/** Made at import, when there is no request and no URL. */
export const auth = betterAuth(authOptions(db));

/** Wrong codes are counted in requests that fail: what they write stays. */
export function isNoCrash(c: Context): boolean {
  return c.res.status < 500;
}

const app = new Hono<{ Bindings: Bindings }>();

app.use((c, next) => {
  url = c.env.DATABASE_URL;
  return next();
});

app.get("/mails", (c) => c.json(mails));
app.on(["GET", "POST"], "/outside/*", async (c) => {
  const { email, password } = await c.req.json();
  return c.json(await auth.api.signInEmail({ body: { email, password } }));
});

app.use("/api/auth/*", dbSession(scope, { commitWhen: isNoCrash }));
app.on(["GET", "POST"], "/api/auth/*", (c) => auth.handler(c.req.raw));

app.use("/app/*", dbSession(scope));
app.post("/app/members", async (c) => {
  const { slug, owner, ...body } = await c.req.json();
  const { headers, response } = await auth.api.signUpEmail({
    body,
    returnHeaders: true,
  });
  for (const cookie of headers.getSetCookie()) {
    c.header("set-cookie", cookie, { append: true });
  }
  const { user } = response;
  await db.insert(workspace).values({ slug, ownerId: owner ?? user.id });
  return c.json({ email: user.email }, 201);
});
app.get("/app/me", async (c) => {
  const found = await auth.api.getSession({ headers: c.req.raw.headers });
  if (found === null) return c.json({}, 401);
  const { id, email } = found.user;
  const owned = await db.select().from(workspace)
    .where(eq(workspace.ownerId, id));
  return c.json({ email, workspaces: owned.map(({ slug }) => slug) });
});

app.onError((error, c) => {
  const code = error instanceof NullpoolError ? error.code : error.name;
  return c.json({ code, message: error.message }, 500);
});

export default app;
