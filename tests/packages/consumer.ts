import { PGlite } from "@electric-sql/pglite";
import { eq } from "drizzle-orm";
import { integer, pgTable, serial, text } from "drizzle-orm/pg-core";
import { Hono } from "hono";
import ws from "ws";
import {
  createEngine,
  IntegrityError,
  mapTasks,
  NullpoolError,
  type Session,
  sessionmaker,
} from "@nullpool/db";
import { serveNeon } from "@nullpool/db/dev";
import { dbSession, type SessionVariables } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";
import { instrument } from "@nullpool/db/otel";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import { scopedSession } from "@nullpool/db/scoped";
import { recordingDriver } from "@nullpool/db/testing";

const notes = pgTable("notes", {
  id: serial().primaryKey(),
  text: text().notNull().unique(),
  stars: integer(),
});
const schema = { notes };
type Schema = typeof schema;

/** What only a compiler reads: the types have to be there, and to be right. */
export async function typed(db: Session<Schema>): Promise<void> {
  const note = db.add(notes, { text: "typed" });
  const id: number = note.id;
  const found: { stars: number | null } | undefined = await db.get(notes, id);
  // @ts-expect-error: a column's type is known.
  note.stars = "five";
  // @ts-expect-error: a column is missing.
  db.add(notes, { stars: 5 });
  // @ts-expect-error: there is no such table.
  await db.query.memos?.findMany();
  // @ts-expect-error: an option has values of its own.
  neon("postgres://app@localhost/app", { transport: "pigeon" });
  void found;
}

/** An application that uses every entry point. */
async function main(): Promise<unknown> {
  const lite = await PGlite.create();
  const server = await serveNeon({ backend: lite, port: 0 });
  const engine = createEngine(neon(server.url, { WebSocket: ws }));
  const local = createEngine(pglite(lite));
  instrument(local, { spans: ["session", "statement"] });
  const Session = sessionmaker(engine, { schema });
  const scope = scopedSession(Session);
  const app = new Hono<{ Variables: SessionVariables<Schema> }>()
    .use(dbSession(scope))
    .post("/notes", async (c) => {
      const note = c.var.db.add(notes, { text: await c.req.text() });
      await scope.db.commit();
      return c.json(note, 201);
    })
    .onError((error, c) =>
      c.json({
        isOurs: error instanceof NullpoolError,
        isIntegrity: error instanceof IntegrityError,
      }, 409)
    );
  const post = async (body: string) => {
    const response = await app.request("/notes", { method: "POST", body });
    return [response.status, await response.json()];
  };
  try {
    await lite.exec(
      "create table notes (id serial primary key, text text not null unique, stars int)",
    );
    const answers = [await post("first"), await post("first")];
    const starred = await mapTasks(Session, [1], async (db, id) => {
      const note = await db.get(notes, id);
      if (note !== undefined) note.stars = 5;
      return note?.text;
    });
    const read = await sessionmaker(local, { schema }).begin((db) =>
      db.select({ stars: notes.stars }).from(notes).where(eq(notes.id, 1))
    );
    const names = [postgres("postgres://app@localhost/app"), recordingDriver()]
      .map(({ name }) => name);
    return { answers, starred, read, names };
  } finally {
    await engine.dispose();
    await local.dispose();
    await server.close();
    await lite.close();
  }
}

void main().then((result) => console.log(JSON.stringify(result)));
