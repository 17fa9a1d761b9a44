import {
  ConnectionError,
  type Engine,
  PoolError,
  sessionmaker,
} from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { scopedSession } from "@nullpool/db/scoped";
import { desc, eq, inArray } from "drizzle-orm";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import {
  NewNote,
  NoteChange,
  NoteId,
  NotesQuery,
  parse,
  readJson,
} from "./input.ts";
import * as schema from "./schema.ts";
import { notes, noteTags } from "./schema.ts";

/**
 * Notes as a Hono app. Each request has a database session of its own, and is
 * one transaction: `dbSession` commits it before the response leaves, or rolls
 * it back when a handler throws.
 */
export function notesApp(engine: Engine): Hono {
  const scope = scopedSession(sessionmaker(engine, { schema }));
  const { db } = scope;
  const app = new Hono();
  app.use(bodyLimit({ maxSize: 64 * 1024 }), dbSession(scope));

  // A read: one HTTP request to Neon, no connection.
  app.get("/notes", async (c) => {
    const { tag } = parse(NotesQuery, c.req.query());
    const tagged = tag && db.select({ id: noteTags.noteId }).from(noteTags)
      .where(eq(noteTags.tag, tag));
    const found = await db.query.notes.findMany({
      where: tagged ? inArray(notes.id, tagged) : undefined,
      with: { tags: { columns: { tag: true } } },
      orderBy: desc(notes.id),
      limit: 50,
    });
    return c.json(found.map(plainTags));
  });

  // A note and its tags are written together: again one request.
  app.post("/notes", async (c) => {
    const { title, body, tags } = parse(NewNote, await readJson(c.req));
    const note = db.add(notes, {
      title,
      body,
      tags: tags.map((tag) => ({ tag })),
    });
    await db.commit();
    const location = `/notes/${note.id}`;
    return c.json({ ...note, tags }, 201, { Location: location });
  });

  app.get("/notes/:id", async (c) => {
    const found = await db.query.notes.findFirst({
      where: eq(notes.id, parse(NoteId, c.req.param("id"))),
      with: { tags: { columns: { tag: true } } },
    });
    return found ? c.json(plainTags(found)) : c.notFound();
  });

  // What changed is found, and written, at the commit.
  app.patch("/notes/:id", async (c) => {
    const change = parse(NoteChange, await readJson(c.req));
    const note = await db.get(notes, parse(NoteId, c.req.param("id")));
    if (note === undefined) return c.notFound();
    Object.assign(note, change);
    await db.commit();
    return c.json(note);
  });

  app.delete("/notes/:id", async (c) => {
    const note = await db.get(notes, parse(NoteId, c.req.param("id")));
    if (note === undefined) return c.notFound();
    db.remove(note);
    return c.body(null, 204);
  });

  app.notFound((c) => c.json({ error: "Not found" }, 404));
  app.onError(answerError);
  return app;
}

function plainTags<Note extends { tags: { tag: string }[] }>(note: Note) {
  return { ...note, tags: note.tags.map(({ tag }) => tag) };
}

function answerError(error: Error, c: Context): Response {
  if (error instanceof HTTPException) {
    return c.json({ error: error.message }, error.status);
  }
  console.error(error);
  if (error instanceof ConnectionError || error instanceof PoolError) {
    c.header("Retry-After", "1");
    return c.json({ error: "Please try again" }, 503);
  }
  return c.json({ error: "Internal error" }, 500);
}
