import type { Context } from "hono";
import { dropBody } from "./_drop_body.ts";

/**
 * Remembers what an answer would have been made of: headers, status and
 * variables.
 *
 * @param c Context of the request.
 * @returns Puts it back, as if no handler had run.
 */
export function freshAnswer(c: Context): () => void {
  // Hono tells the status that was asked for in no other way.
  const { headers, status } = c.newResponse(null);
  const variables = { ...c.var };
  return () => {
    if (c.finalized) dropBody(c.res);
    c.res = undefined;
    // Otherwise `header()` would look for the response that was just dropped.
    c.finalized = false;
    c.error = undefined;
    for (const name of [...c.newResponse(null).headers.keys()]) {
      c.header(name, undefined);
    }
    for (const [name, value] of headers) c.header(name, value, APPEND);
    c.status(status as Parameters<Context["status"]>[0]);
    for (const name of Object.keys({ ...c.var, ...variables })) {
      c.set(name, variables[name]);
    }
  };
}

const APPEND = { append: true };
