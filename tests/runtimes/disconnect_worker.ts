import { Hono } from "hono";
import { sql } from "drizzle-orm";
import { stream } from "hono/streaming";
import { createEngine, sessionmaker } from "@nullpool/db";
import { dbSession, streamSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly NEON_URL: string;
  readonly POSTGRES_URL: string;
}

const urls: Record<string, string> = {};
const makers = {
  neon: sessionmaker(createEngine(neon(() => urls.NEON_URL))),
  postgres: sessionmaker(createEngine(postgres(() => urls.POSTGRES_URL))),
};

const app = new Hono<{ Bindings: Bindings }>();

app.use((c, next) => {
  Object.assign(urls, { ...c.env });
  return next();
});

for (const [name, Session] of Object.entries(makers)) {
  app.post(`/${name}/slow`, dbSession(Session), async (c) => {
    await c.var.db.execute("insert into kept values (1)");
    await c.var.db.execute("select pg_sleep(60)");
    return c.text("never");
  });
  app.get(
    `/${name}/stream`,
    (c) =>
      streamSession(c, Session, (db) =>
        stream(c, async (body) => {
          await db.execute("insert into kept values (2)");
          const rows = sql<
            { n: number }
          >`select n from generate_series(1, 100000) n`;
          for await (const { n } of db.stream(rows)) {
            await body.write(`${n}\n`.repeat(1_000));
          }
        })),
  );
}

export default app;
