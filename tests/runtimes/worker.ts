import { sql } from "drizzle-orm";
import { Hono } from "hono";
import {
  createEngine,
  type Engine,
  NullpoolError,
  sessionmaker,
  StaticPool,
} from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { postgres } from "@nullpool/db/postgres";
import { type ScopedSession, scopedSession } from "@nullpool/db/scoped";

/** What the test binds. */
interface Bindings {
  readonly NEON_URL: string;
  readonly POSTGRES_URL: string;
  readonly HYPERDRIVE: { readonly connectionString: string };
}

const urls: Record<string, string> = {};

/** One scope per driver and pool, at module level as in any app. */
const scopes: Record<string, ScopedSession> = {
  neon: scopeOf(createEngine(neon(() => urls.NEON_URL))),
  postgres: scopeOf(createEngine(postgres(() => urls.POSTGRES_URL))),
  hyperdrive: scopeOf(createEngine(postgres(() => urls.HYPERDRIVE))),
  "static-neon": scopeOf(
    createEngine(neon(() => urls.NEON_URL), {
      pool: (driver) => new StaticPool(driver),
    }),
  ),
  "static-postgres": scopeOf(
    createEngine(postgres(() => urls.POSTGRES_URL), {
      pool: (driver) => new StaticPool(driver),
    }),
  ),
};

function scopeOf(engine: Engine): ScopedSession {
  return scopedSession(sessionmaker(engine));
}

const app = new Hono<{ Bindings: Bindings }>();

app.use((c, next) => {
  const { NEON_URL, POSTGRES_URL, HYPERDRIVE } = c.env;
  const { connectionString } = HYPERDRIVE;
  Object.assign(urls, { NEON_URL, POSTGRES_URL, HYPERDRIVE: connectionString });
  return next();
});

for (const [name, scope] of Object.entries(scopes)) {
  const { db } = scope;
  app.use(`/${name}/*`, dbSession(scope));
  app.post(`/${name}/kept/:n`, async (c) => {
    const n = Number(c.req.param("n"));
    await db.execute(sql`insert into kept values (${n})`);
    await db.transaction(async () => {
      await db.execute(sql`update kept set note = 'nested' where n = ${n}`);
    });
    const { rows } = await db.execute(
      sql`select n, note from kept where n = ${n}`,
    );
    return c.json(rows, n < 0 ? 422 : 200);
  });
  app.get(`/${name}/pid`, async (c) => {
    const { rows } = await db.execute("select pg_backend_pid() as pid");
    return c.json(rows[0]?.pid);
  });
}

/** What a stream's `pull` sees, with and without `bind`. */
app.get("/pull", (c) =>
  scopes.neon?.run(async () => {
    const scope = scopes.neon;
    const look = (): string => {
      try {
        return scope?.current.state ?? "no scope";
      } catch (error) {
        return error instanceof NullpoolError ? error.code : String(error);
      }
    };
    const bound = scope?.bind(look);
    const stream = new ReadableStream({
      pull(controller) {
        const seen = JSON.stringify([look(), bound?.()]);
        controller.enqueue(new TextEncoder().encode(seen));
        controller.close();
      },
    }, { highWaterMark: 0 });
    // Read by the runtime, when the handler is long over.
    return await Promise.resolve(c.body(stream));
  }) ?? c.notFound());

app.onError((error, c) =>
  c.json({
    code: error instanceof NullpoolError ? error.code : error.name,
    message: error.message,
  }, 500)
);

export default app;
