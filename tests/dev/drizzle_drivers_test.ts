import { assertEquals, assertRejects } from "@std/assert";
import { neon, neonConfig, Pool } from "@neondatabase/serverless";
import { eq, sql } from "drizzle-orm";
import { drizzle as overHttp } from "drizzle-orm/neon-http";
import { drizzle as overWebSocket } from "drizzle-orm/neon-serverless";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { testDatabase } from "../support/postgres.ts";

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
  n: integer(),
});

Deno.test("Drizzle's own drivers for Neon work against serveNeon() unchanged", async () => {
  await using database = await testDatabase({
    setup:
      "create table notes (id serial primary key, name text not null unique, n int)",
  });
  await using server = await serveNeon({ backend: database.url, port: 0 });
  const before = { ...neonConfig };
  neonConfig.fetchEndpoint = `http://127.0.0.1:${server.port}/sql`;
  neonConfig.wsProxy = () => `127.0.0.1:${server.port}/v2`;
  neonConfig.useSecureWebSocket = false;
  const pool = new Pool({ connectionString: server.url });
  try {
    const http = overHttp(neon(server.url));
    const [one] = await http.insert(notes).values({ name: "a", n: 1 })
      .returning();
    assertEquals(one, { id: 1, name: "a", n: 1 });
    const [made, found] = await http.batch([
      http.insert(notes).values({ name: "b" }).returning(),
      http.select({ n: sql<number>`count(*)::int` }).from(notes),
    ]);
    assertEquals([made[0]?.id, found], [2, [{ n: 2 }]]);
    await assertRejects(() => http.insert(notes).values({ name: "a" }));

    const sockets = overWebSocket(pool);
    await sockets.transaction(async (tx) => {
      await tx.update(notes).set({ n: 5 }).where(eq(notes.name, "b"));
      await assertRejects(() =>
        tx.transaction(async (inner) => {
          await inner.delete(notes);
          inner.rollback();
        })
      );
    });
    assertEquals(
      await sockets.select({ n: notes.n }).from(notes).orderBy(notes.id),
      [{ n: 1 }, { n: 5 }],
    );
  } finally {
    await pool.end();
    Object.assign(neonConfig, before);
  }
});
