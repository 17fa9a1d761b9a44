import { Hono } from "hono";
import { createEngine } from "../../src/engine/create_engine.ts";
import { sessionmaker } from "../../src/drizzle/sessionmaker.ts";
import { ScopeError } from "../../src/errors/state_error.ts";
import { dbSession } from "../../src/hono/db_session.ts";
import { scopedSession } from "../../src/scoped/scoped_session.ts";
import { recordingDriver } from "../../src/testing/recording_driver.ts";

const app = new Hono()
  .use(dbSession(sessionmaker(createEngine(recordingDriver()))))
  .get("/request", async (c) => {
    await c.var.db.execute("select 1");
    return c.text(c.var.db.state);
  });

/** A Worker that tries to make a scoped session, and one for a request. */
const worker = {
  async fetch(request: Request): Promise<Response> {
    if (request.url.endsWith("/request")) return await app.fetch(request);
    try {
      const scope = scopedSession(
        sessionmaker(createEngine(recordingDriver())),
      );
      return await scope.run(async (db) => {
        await Promise.resolve();
        return new Response(scope.current === db ? "told apart" : "mixed");
      });
    } catch (error) {
      return new Response(
        error instanceof ScopeError ? `${error.code}: ${error.message}` : "?",
      );
    }
  },
};
export default worker;
