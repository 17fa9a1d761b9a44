import {
  CommitOutcomeError,
  ConnectionError,
  IntegrityError,
  PoolError,
  SerializationError,
} from "@nullpool/db";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** What is wrong with each field, by its path such as `lines.0.quantity`. */
export type Fields = Readonly<Record<string, string>>;

/** A request that cannot be served as it is; answered as JSON. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ContentfulStatusCode;
  readonly fields: Fields;

  constructor(
    status: ContentfulStatusCode,
    message: string,
    fields: Fields = {},
  ) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** The app's `onError`: says what the caller can do, and nothing else. */
export function answerError(error: Error, c: Context): Response {
  if (error instanceof Problem) {
    return c.json({ error: error.message, fields: error.fields }, error.status);
  }
  if (error instanceof HTTPException) {
    return c.json({ error: error.message || "Refused" }, error.status);
  }
  console.error(error);
  if (error instanceof CommitOutcomeError) {
    return c.json({ error: "Unknown whether it was saved: look first" }, 500);
  }
  if (error instanceof IntegrityError) {
    return c.json({ error: "Another change was faster" }, 409);
  }
  const isPassing = error instanceof ConnectionError ||
    error instanceof PoolError || error instanceof SerializationError;
  if (isPassing) {
    c.header("Retry-After", "1");
    return c.json({ error: "Nothing was saved: please try again" }, 503);
  }
  return c.json({ error: "Internal error" }, 500);
}
