/** Frames that are read; Drizzle and this library take up to fifteen. */
const STACK_DEPTH = 40;

/** Code between the user's call and the session: Hono's is in `dist`, or has a version. */
const BETWEEN =
  /drizzle-orm|\bhono\/(?:dist|[\d.]+)\/|\bnode:|\bext:|<anonymous>/;

/** Where this library's own files are; in a bundle nobody can tell. */
const OWN = /(\S+)\/session\/_call_site\.[cm]?[jt]s/.exec(stack())?.[1]
  ?.replace(/^\(/, "");

/** Remembers where the last call of each kind came from. */
export class CallSites {
  readonly #places = new Map<string, string | undefined>();

  /** Remembers the present call. */
  note(call: string): void {
    this.#places.set(call, callSite());
  }

  /** Where the last such call came from, for a message. */
  of(call: string): string {
    const place = this.#places.get(call);
    return place === undefined ? "" : ` (called at ${place})`;
  }
}

/**
 * Finds the line of the user's code that has led here. A stack costs 4 to
 * 20 µs, so it is asked for in development mode only.
 *
 * @returns `file:line:column`, or nothing where the stack does not reach it,
 * and in a bundle, where it could be a line of this library.
 */
function callSite(): string | undefined {
  if (OWN === undefined) return undefined;
  for (const line of stack().split("\n").slice(1)) {
    if (line.includes(`${OWN}/`) || BETWEEN.test(line)) continue;
    const place = /\(?(\S+:\d+:\d+)\)?\s*$/.exec(line)?.[1];
    if (place !== undefined) return place;
  }
  return undefined;
}

function stack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_DEPTH;
  const text = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  return text;
}
