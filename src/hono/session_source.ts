import type { Context } from "hono";
import type { Session } from "../drizzle/session.ts";
import type { SessionOptions } from "../drizzle/session_options.ts";
import {
  isSessionmaker,
  makeSessionmaker,
  type Sessionmaker,
  SESSIONMAKER_OPTIONS,
  type SessionmakerOptions,
} from "../drizzle/sessionmaker.ts";
import type { Engine } from "../engine/engine.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { ScopedSession } from "../scoped/scoped_session.ts";

/**
 * How to find an engine per request, where it depends on the request: the
 * bindings of a Worker, or a tenant. Keep it, at module level, and give the same
 * object to `dbSession`, `background` and `streamSession`: that they share its
 * engines.
 *
 * @typeParam Schema The schema of the sessions.
 */
export interface EngineSource<
  Schema extends Record<string, unknown> = Record<string, never>,
> extends SessionmakerOptions<Schema> {
  /** Makes the engine; called once per key of this object. */
  readonly engine: (c: Context) => Engine;
  /**
   * Tells engines apart, such as the tenant's name, and what a `cache` keeps of
   * each; a query with a tag of its own is not kept.
   */
  readonly key: (c: Context) => string;
}

/**
 * Where the sessions of requests come from.
 *
 * @typeParam Schema The schema of the sessions.
 */
export type SessionSource<
  Schema extends Record<string, unknown> = Record<string, never>,
> = ScopedSession<Schema> | Sessionmaker<Schema> | EngineSource<Schema>;

/** What the middlewares need of a source. */
export interface OpenedSource<Schema extends Record<string, unknown>> {
  /** Opens a session for a request. */
  open(c: Context, options: SessionOptions): Session<Schema>;
  /** Runs the rest of the request with the session as the current one. */
  enter<T>(session: Session<Schema>, task: () => T): T;
}

/**
 * Reads a source, told by its shape.
 *
 * @param source What was given.
 * @throws {TypeError} When it is none of the three.
 */
export function sessionSource<Schema extends Record<string, unknown>>(
  source: SessionSource<Schema>,
): OpenedSource<Schema> {
  if (isSessionmaker<Schema>(source)) {
    return {
      open: (_, options) => source(options),
      enter: (_, task) => task(),
    };
  }
  if (isScoped(source)) {
    return {
      // Inside of whoever is current there, who is nearer than a middleware.
      open: (_, { parent, ...options }) =>
        source.open({ ...options, parent: source.holder ?? parent }),
      enter: (session, task) => source.enter(session, task),
    };
  }
  if (
    typeof source?.engine === "function" && typeof source.key === "function"
  ) {
    return engineSource(source);
  }
  throw new TypeError(
    "Cannot use dbSession(): expected a scoped session, a sessionmaker, or { engine, key } as functions of the request",
  );
}

const SOURCE_OPTIONS: OptionNames<EngineSource> = {
  ...SESSIONMAKER_OPTIONS,
  engine: true,
  key: true,
};

/**
 * Of each source that somebody keeps: `background` and `streamSession` read
 * theirs at every call, and an engine that is made at each leaks its pool.
 */
const MAKERS = new WeakMap<object, Map<string, unknown>>();

function makersOf<Schema extends Record<string, unknown>>(
  source: EngineSource<Schema>,
): Map<string, Sessionmaker<Schema>> {
  const makers = MAKERS.get(source) ?? new Map<string, unknown>();
  MAKERS.set(source, makers);
  // They were made of this very source, so they have its schema.
  return makers as Map<string, Sessionmaker<Schema>>;
}

function engineSource<Schema extends Record<string, unknown>>(
  source: EngineSource<Schema>,
): OpenedSource<Schema> {
  checkOptionNames("a source of sessions", source, SOURCE_OPTIONS);
  const makers = makersOf(source);
  return {
    open(c, options) {
      const key = source.key(c);
      const maker = makers.get(key) ??
        makeSessionmaker(source.engine(c), source, key);
      makers.set(key, maker);
      return maker(options);
    },
    enter: (_, task) => task(),
  };
}

function isScoped<Schema extends Record<string, unknown>>(
  source: ScopedSession<Schema> | EngineSource<Schema>,
): source is ScopedSession<Schema> {
  return typeof source === "object" && source !== null && "enter" in source &&
    "open" in source;
}
