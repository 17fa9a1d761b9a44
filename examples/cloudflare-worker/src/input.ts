import type { HonoRequest } from "hono";
import { HTTPException } from "hono/http-exception";
import * as v from "valibot";

const Title = v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(200));
const Body = v.pipe(v.string(), v.maxLength(10_000));
const Tag = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,30}$/));
const Tags = v.pipe(
  v.array(Tag),
  v.maxLength(20),
  v.checkItems((tag, index, tags) => tags.indexOf(tag) === index, "Twice"),
);

/** A note as it is sent. */
export const NewNote = v.strictObject({
  title: Title,
  body: v.optional(Body, ""),
  tags: v.optional(Tags, []),
});

/** What changes of a note. */
export const NoteChange = v.strictObject({
  title: v.exactOptional(Title),
  body: v.exactOptional(Body),
});

/** The id in a path. */
export const NoteId = v.pipe(
  v.string(),
  v.regex(/^[1-9]\d{0,8}$/),
  v.transform(Number),
);

/** Which notes are listed. */
export const NotesQuery = v.object({ tag: v.optional(Tag) });

/** Checks what came in; answers 422, and says why, when it is wrong. */
export function parse<const Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) =>
    [v.getDotPath(issue), issue.message].filter(Boolean).join(": ")
  );
  throw new HTTPException(422, { message: problems.join("; ") });
}

/** Reads a body. */
export async function readJson(request: HonoRequest): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    throw new HTTPException(400, { message: "The body is not JSON" });
  }
}
