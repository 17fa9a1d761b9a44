import { type Engine, IntegrityError, sessionmaker } from "@nullpool/db";
import { background, dbSession } from "@nullpool/db/hono";
import { scopedSession } from "@nullpool/db/scoped";
import { eq } from "drizzle-orm";
import { Hono } from "hono";
import * as schema from "./schema.ts";
import { links, visits } from "./schema.ts";

/** A link shortener as a Hono app. */
export function shortener(engine: Engine): Hono {
  const Session = sessionmaker(engine, { schema });
  const scope = scopedSession(Session);
  const { db } = scope;
  const app = new Hono();
  app.use(dbSession(scope));

  app.put("/:slug{[a-z0-9-]{1,40}}", async (c) => {
    const { slug } = c.req.param();
    const url = await c.req.text();
    if (!/^https?:\/\/\S{1,2000}$/.test(url) || !URL.canParse(url)) {
      return c.json({ error: "The body is not an http(s) URL" }, 422);
    }
    db.add(links, { slug, url });
    await db.commit();
    return c.json({ slug, url }, 201);
  });

  app.get("/:slug/visits", async (c) => {
    const { slug } = c.req.param();
    return c.json(await db.$count(visits, eq(visits.slug, slug)));
  });

  app.get("/:slug", async (c) => {
    const link = await db.get(links, c.req.param("slug"));
    if (link === undefined) return c.notFound();
    // Behind the answer, in a session of its own: nobody waits for it, and a
    // failure that nobody hears would end the process.
    background(c, Session, async (db) => {
      await db.insert(visits).values({ slug: link.slug });
    }, { onError: console.error });
    return c.redirect(link.url);
  });

  app.onError((error, c) => {
    if (error instanceof IntegrityError) {
      return c.json({ error: "The name is taken" }, 409);
    }
    console.error(error);
    return c.json({ error: "Internal error" }, 500);
  });
  return app;
}
