import type { Context } from "hono";
import { dropBody } from "./_drop_body.ts";

/**
 * Headers that describe the answer, and would be lies about another one. Node
 * sends `transfer-encoding` beside the length of another body, and no client
 * reads that.
 */
const OF_THE_ANSWER: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "etag",
  "expires",
  "last-modified",
  "link",
  "location",
  "refresh",
  "set-cookie",
  "trailer",
  "transfer-encoding",
]);

/** Those that htmx obeys whatever the status is. */
const OF_HTMX = /^hx-/;

/**
 * Takes the handler's answer back: it told of something that was not saved.
 *
 * Hono would carry its headers over to the next response, cookies and Location
 * included. Headers of the connection (CORS, security, request ids) stay.
 *
 * @param c The request's context.
 */
export function discardAnswer(c: Context): void {
  const headers = [...c.res.headers];
  dropBody(c.res);
  c.res = undefined;
  // Otherwise `header()` would look for the response that was just dropped.
  c.finalized = false;
  for (const name of OF_THE_ANSWER) c.header(name, undefined);
  for (const [name, value] of headers) {
    c.header(name, isOfTheAnswer(name) ? undefined : value);
  }
}

function isOfTheAnswer(name: string): boolean {
  return OF_THE_ANSWER.has(name) || OF_HTMX.test(name);
}
