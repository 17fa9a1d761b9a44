import { type Context, Hono } from "hono";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Engine } from "../engine/engine.ts";
import { checkCount, checkEngine } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { StateError } from "../errors/state_error.ts";
import type { EventMap } from "../events/event.ts";
import { type FeedSource, InspectorFeed, snapshot } from "./_inspector_feed.ts";
import { isFromHere } from "./_inspector_guard.ts";
import { InspectorLog } from "./_inspector_log.ts";
import { inspectorPage, pagePolicy } from "./_inspector_page.ts";

/** Who may look through an {@linkcode inspector}, and at how much. */
export interface InspectorOptions {
  /**
   * Who is let in, in place of this machine alone. Without it a request has to
   * come from a loopback address, through no proxy, to ask for a name of this
   * machine, and not to come from another server's page; where the runtime does not say who is connected (Workers, or
   * an app that was not given the server's second argument), nobody is.
   *
   * @default {requests of this machine}
   */
  readonly authorize?: (c: Context) => boolean | Promise<boolean>;

  /**
   * Whether to serve an engine in `mode: "production"`: statements of real
   * users would be seen by whoever is let in.
   *
   * @default {false}
   */
  readonly force?: boolean;

  /**
   * How many sessions are kept.
   *
   * @default {200}
   */
  readonly keep?: number;

  /**
   * Ends what pages are sent, and the listening. A server that waits for open
   * requests when it is shut down waits for a page that is looked at, too.
   *
   * @default {none}
   */
  readonly signal?: AbortSignal;
}

const INSPECTOR_OPTIONS: OptionNames<InspectorOptions> = {
  authorize: true,
  force: true,
  keep: true,
  signal: true,
};

const DEFAULT_KEEP = 200;

/** Pages that are open at once; their number is no way to fill the memory. */
const MAX_FEEDS = 20;

/**
 * What lanes are made of. Nobody who only looks may hear `backgroundError`: an
 * error that is heard counts as dealt with.
 */
const TYPES = [
  "sessionOpen",
  "sessionClose",
  "connect",
  "checkout",
  "checkoutError",
  "checkin",
  "begin",
  "savepoint",
  "statement",
  "flight",
  "flush",
  "commit",
  "rollback",
  "retry",
  "request",
  "leak",
] as const satisfies readonly (keyof EventMap)[];

/**
 * A page that shows what sessions do while they do it: a lane for each request
 * or task, with its statements, transactions and waits as a waterfall; retries,
 * rollbacks, leaks, N+1 patterns and transactions left idle are marked.
 *
 * Mount it before `dbSession`, so that its own requests have no session. It
 * listens from this call on, keeps the last sessions (`keep`), and shows values
 * only where the engine has `exposeParameters`, and only to who asks for them.
 * What borrows connections without a session, and gives no `holder`, has no
 * lane.
 *
 * @example Beside an application
 * ```ts
 * import { createEngine, sessionmaker } from "@nullpool/db";
 * import { inspector } from "@nullpool/db/dev";
 * import { dbSession } from "@nullpool/db/hono";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { Hono } from "hono";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(recordingDriver(), { mode: "development" });
 * const app = new Hono();
 * app.route("/_nullpool", inspector(engine));
 * app.use(dbSession(sessionmaker(engine)));
 *
 * // As Deno calls it for a client on this machine: Deno.serve(app.fetch)
 * const info = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1" } };
 * const page = await app.request("http://localhost/_nullpool", {}, info);
 * assertEquals(page.status, 200);
 * ```
 *
 * @param engine Whose sessions are shown.
 * @param options Who may look.
 * @returns An app, to be mounted with `app.route(path, ..)`.
 * @throws {TypeError} When there is no engine.
 * @throws {StateError} When the engine is in production, and nothing is forced.
 * @throws {RangeError} When `keep` is no number of sessions.
 */
export function inspector(
  engine: Engine,
  options: InspectorOptions = {},
): Hono {
  checkEngine(engine, "inspect");
  checkOptionNames("inspector()", options, INSPECTOR_OPTIONS);
  const { force = false, keep = DEFAULT_KEEP, signal } = options;
  if (engine.mode === "production" && !force) throw productionError();
  checkCount("keep", keep, 1);
  const log = new InspectorLog(keep);
  const endings = TYPES.map((type) =>
    engine.on(type, (event) => log.take(event, performance.now()))
  );
  const feeds = new Set<InspectorFeed>();
  function stop(): void {
    for (const end of endings) end();
    for (const feed of feeds) feed.end();
  }
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop);
  return routes(feedSource(engine, log), feeds, options);
}

function feedSource(engine: Engine, log: InspectorLog): FeedSource {
  const epoch = Date.now() - performance.now();
  const about = () => ({
    mode: engine.mode,
    capacity: engine.capacity,
    hasValues: engine.exposesParameters,
    epoch,
  });
  const state = () => ({
    status: engine.status(),
    database: engine.driver.describe(),
  });
  return { log, about, state };
}

function routes(
  source: FeedSource,
  feeds: Set<InspectorFeed>,
  { authorize = isFromHere, signal }: InspectorOptions,
): Hono {
  const { log } = source;
  const app = new Hono();
  app.use(async (c, next) => {
    for (const holder of holders(c)) log.leaveOut(holder);
    if (!await authorize(c)) return c.text(REFUSAL, 403, PLAIN);
    await next();
    c.header("Cache-Control", "no-store");
    c.header("X-Content-Type-Options", "nosniff");
    c.header("Cross-Origin-Resource-Policy", "same-origin");
  });
  app.get("/", (c) => {
    const nonce = crypto.randomUUID();
    c.header("Content-Security-Policy", pagePolicy(nonce));
    c.header("Referrer-Policy", "no-referrer");
    return c.html(inspectorPage(nonce));
  });
  app.get("/snapshot", (c) => c.json(snapshot(source)));
  app.get("/lanes/:id/values", (c) => {
    const values = log.values(Number(c.req.param("id")));
    return values === undefined ? c.notFound() : c.json(values);
  });
  app.get("/stream", (c) => {
    if (signal?.aborted) return c.text("The inspector was ended", 503);
    if (feeds.size >= MAX_FEEDS) return c.text("Too many pages are open", 503);
    // Nobody would read it, nor cancel it.
    if (c.req.method === "HEAD") return c.body(null, 200, EVENTS);
    const feed = new InspectorFeed(source, () => feeds.delete(feed));
    feeds.add(feed);
    return c.body(feed.stream(), 200, EVENTS);
  });
  return app;
}

const EVENTS = { "Content-Type": "text/event-stream" };

const PLAIN = { "Cache-Control": "no-store" };

const REFUSAL =
  `The inspector answers this machine only, and only where it knows who asks: pass both arguments of the server's handler on to app.fetch, open it under "localhost", or let others in with the option "authorize".`;

/** Sessions of a request of our own, mounted behind `dbSession`. */
function holders(c: Context): PoolHolder[] {
  return Object.values<unknown>(c.var).flatMap((value) =>
    typeof value === "object" && value !== null && "holder" in value &&
      typeof value.holder === "object" && value.holder !== null &&
      "name" in value.holder && typeof value.holder.name === "string"
      ? [value.holder as PoolHolder]
      : []
  );
}

function productionError(): StateError {
  return new StateError(
    "INSPECTOR_REFUSED",
    'Cannot inspect an engine in mode "production": whoever sees the page sees what users do; make it with mode: "development", or set "force"',
  );
}
