import { assert, assertEquals } from "@std/assert";
import { Hono } from "hono";
import { ConnectionError } from "../../mod.ts";
import { dbSession, type SessionVariables } from "../../src/hono/mod.ts";
import { asleep } from "../session/session_bed.ts";
import { insert, requestTest } from "./request_bed.ts";

requestTest("rolls back for a client that has gone", async (bed) => {
  const { Session, database, rollbacks } = bed;
  const errors: unknown[] = [];
  const app = new Hono<{ Variables: SessionVariables }>();
  app.use(dbSession(Session, { signal: (c) => c.req.raw.signal }));
  app.post("/slow", async (c) => {
    await insert(c.var.db, 1);
    await c.var.db.execute("select pg_sleep(60)");
    return c.text("never");
  });
  app.post("/fast", async (c) => {
    await insert(c.var.db, 2);
    return c.text("stored");
  });
  app.onError((error, c) => {
    errors.push(error);
    return c.text("failed", 500);
  });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    app.fetch,
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const client = new AbortController();
  const asking = fetch(`${url}/slow`, {
    method: "POST",
    signal: client.signal,
  }).catch(() => {});
  await asleep(database);
  client.abort();
  await asking;
  await database.waitFor(() => rollbacks.length === 1);
  const [error] = errors;
  assert(error instanceof ConnectionError);
  assertEquals(error.code, "ABORTED");
  assertEquals(await bed.stored(), []);
  // Deno's signal fires after an answer as well, which undoes nothing.
  const response = await fetch(`${url}/fast`, { method: "POST" });
  assertEquals(await response.text(), "stored");
  assertEquals(await bed.stored(), [2]);
});
