import type { Context } from "hono";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Session } from "../drizzle/session.ts";
import {
  optionsInside,
  type SessionOptions,
} from "../drizzle/session_options.ts";
import type { OptionNames } from "../errors/check_option_names.ts";
import { type Background, backgroundOf } from "./_background_of.ts";
import { clientGone } from "./_client_gone.ts";
import type { OpenedSource } from "./session_source.ts";

/**
 * How the session of a request runs.
 *
 * @typeParam Key The name of the context variable.
 */
export interface RequestOptions<Key extends string = "db"> {
  /**
   * The context variable that holds the session of the request: `background`
   * and `streamSession` speak for whom that one speaks. Without it they take
   * the one that is called `db`, else the last that was named otherwise.
   *
   * @default {"db"}
   */
  readonly key?: Key;
  /**
   * How the request's transactions run.
   *
   * @default {the sessionmaker's}
   */
  readonly transaction?: TransactionOptions;
  /**
   * Whether the request is known to need a transaction that stays open, because
   * it writes before its commit, or locks: a connection is opened at once then,
   * and no read goes ahead of it.
   *
   * @default {() => false}
   */
  readonly interactive?: (c: Context) => boolean;
  /**
   * For whom the request speaks: what a verified token says of its bearer, such
   * as `c.var.jwtPayload` (an object; Hono does not know its type). A request
   * without claims is refused as soon as it would send anything: give those who
   * are not logged in some as well, such as `{ role: "anon" }`.
   *
   * @default {nobody: policies do not know}
   */
  readonly claims?: (c: Context) => unknown;
  /**
   * Under which role its statements run, one of those that `sessionmaker`
   * allows.
   *
   * @default {as the claims say}
   */
  readonly role?: (c: Context) => string | undefined;
  /**
   * Who asks, as a JSON Web Token, where the endpoint takes one (Neon over HTTP
   * with row-level security): of this request's session alone. A request
   * without a token is refused as soon as it would send anything: the password
   * of the URL is another's.
   *
   * @default {none}
   */
  readonly authToken?: (c: Context) => string | undefined;
  /**
   * What ends the request's work early: its transaction is rolled back when the
   * signal fires, and what runs is cancelled on the server. `() => undefined`
   * turns it off. On Deno, whose signal also fires after each answer (and says
   * so once on the console when it is listened to), it is off unless it is asked
   * for.
   *
   * @default {(c) => c.req.raw.signal}
   */
  readonly signal?: (c: Context) => AbortSignal | undefined;
}

/** Their names. */
export const REQUEST_OPTIONS: OptionNames<RequestOptions> = {
  key: true,
  transaction: true,
  interactive: true,
  claims: true,
  role: true,
  authToken: true,
  signal: true,
};

/** A request that has a session. */
export class OpenRequest<Schema extends Record<string, unknown>> {
  /** It. */
  readonly session: Session<Schema>;
  /** When that was opened, as `performance.now()` tells. */
  readonly openedAt: number = performance.now();
  readonly #source: OpenedSource<Schema>;
  #background: Background | undefined;

  /**
   * Opens the session of a request.
   *
   * @param c Context of the request.
   * @param source Where sessions come from.
   * @param options How it runs.
   * @param usual What counts where the options say nothing.
   */
  constructor(
    c: Context,
    source: OpenedSource<Schema>,
    options: RequestOptions<string>,
    usual: SessionOptions = {},
  ) {
    this.#source = source;
    this.session = source.open(c, {
      ...optionsInside(usual, sessionOptions(c, options)),
      whenUsed: () => this.#keepAlive(c),
    });
  }

  /** Keeps work alive behind the response, once the session was used. */
  get background(): Background | undefined {
    return this.#background;
  }

  /** Runs the handler with the session as the current one. */
  enter<T>(task: () => T): T {
    return this.#source.enter(this.session, task);
  }

  /**
   * A client that disconnects would end a Worker's handler at its next await,
   * and no `finally` would run.
   */
  #keepAlive(c: Context): void {
    this.#background = backgroundOf(c);
    this.#background?.(this.session.closed);
  }
}

/** For who keeps the session of a request. */
const CLOSED_HINT =
  "the request has ended: use background() for work behind the response, streamSession() for a body that reads, and Session.begin() for a message of a WebSocket";

/** Who forgets them would see what everybody may not. */
const IS_REQUIRED = true;

/** A session that has none would be somebody else: whose password it is. */
const NO_TOKEN = "";

function sessionOptions(
  c: Context,
  options: RequestOptions<string>,
): SessionOptions {
  const { transaction, interactive, authToken, claims, role } = options;
  const { signal = clientGone } = options;
  const name = `a ${c.req.method} request`;
  const isInteractive = interactive?.(c) ?? false;
  return {
    atomic: true,
    name,
    closedHint: CLOSED_HINT,
    authToken: authToken && (authToken(c) ?? NO_TOKEN),
    role: role?.(c),
    // The session refuses what is no object.
    ...(claims && {
      claims: claims(c) as SessionOptions["claims"],
      requireClaims: IS_REQUIRED,
    }),
    signal: signal(c),
    ...(isInteractive
      ? { transaction: { ...transaction, interactive: isInteractive } }
      : transaction && { transaction }),
  };
}
