import { Hono } from "hono";
import { upgradeWebSocket } from "hono/cloudflare-workers";
import type { WSContext } from "hono/ws";
import { createEngine, NullpoolError, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { type ScopedSession, scopedSession } from "@nullpool/db/scoped";

const urls: { NEON_URL?: string } = {};
const engine = createEngine(neon(() => urls.NEON_URL));
const scopes = {
  lax: scopedSession(sessionmaker(engine, { roles: [] })),
  strict: scopedSession(
    sessionmaker(engine, { roles: [], requireClaims: true }),
  ),
};

const app = new Hono<{ Bindings: { readonly NEON_URL: string } }>();

app.use((c, next) => {
  Object.assign(urls, c.env);
  return next();
});

/** For whom the running task speaks. */
async function speaker(scope: ScopedSession): Promise<string> {
  try {
    return await scope.begin(async (db) => {
      const { rows } = await db.execute(
        "select current_setting('request.jwt.claims', true) as claims",
      );
      return String(rows[0]?.claims || "nobody");
    });
  } catch (error) {
    return error instanceof NullpoolError ? error.code : "?";
  }
}

for (const [name, scope] of Object.entries(scopes)) {
  app.use(`/${name}/*`, dbSession(scope, { claims: () => ({ sub: "u-7" }) }));

  const answer = (_: MessageEvent, socket: WSContext) =>
    speaker(scope).then((whom) => socket.send(whom));
  app.get(`/${name}/plain`, upgradeWebSocket(() => ({ onMessage: answer })));
  app.get(
    `/${name}/bound`,
    upgradeWebSocket(() => ({ onMessage: scope.bind(answer) })),
  );
}

export default app;
