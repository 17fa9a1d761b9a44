import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Bookmark } from "../session/bookmark.ts";
import type { OptionNames } from "../errors/check_option_names.ts";
import type { SessionContext } from "./session_context.ts";

/** For whom a session speaks, and what they have to see. */
export interface SessionIdentity extends
  Pick<
    SessionOptions,
    "claims" | "role" | "requireClaims" | "authToken" | "readYourWrites"
  > {
  /** Shared by all that speak for them. */
  readonly bookmark: Bookmark | undefined;
}

/** How one session runs. */
export interface SessionOptions {
  /**
   * How its transactions run that say nothing else.
   *
   * @default {the sessionmaker's}
   */
  readonly transaction?: TransactionOptions;
  /**
   * Whether whoever opened the session owns all its transactions, as a
   * middleware owns those of a request: `transaction(fn)` is then always a
   * savepoint.
   *
   * @default {false}
   */
  readonly atomic?: boolean;
  /**
   * Whether a statement or a savepoint begins a transaction by itself. Without
   * it `begin()` has to be called before, and again after each end (as
   * SQLAlchemy's option of this name).
   *
   * @default {true}
   */
  readonly autobegin?: boolean;
  /**
   * Whether reads that are issued together (`Promise.all`) travel in one
   * flight.
   *
   * @default {true}
   */
  readonly sharesReads?: boolean;
  /**
   * For whom the session speaks: what a verified token says of its bearer.
   * Every transaction has them as `request.jwt.claims`, for policies to read
   * (row-level security); they travel with its first statement. Without claims
   * that setting is null, or empty text on a connection that had some before:
   * `nullif(current_setting('request.jwt.claims', true), '')` covers both.
   *
   * @default {none}
   */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Under which role its statements run, one of those that `sessionmaker`
   * allows.
   *
   * @default {the claim "role" where it is allowed, else the first allowed one; without claims the connection's}
   */
  readonly role?: string | undefined;
  /**
   * Whether the session refuses to send anything without claims.
   *
   * @default {the sessionmaker's}
   */
  readonly requireClaims?: boolean | undefined;
  /**
   * Whether a commit asks how far the primary's log is (`session.bookmark`). On
   * a connection that travels with COMMIT; over HTTP it is one request more,
   * and in autocommit one round trip.
   *
   * @default {false}
   */
  readonly readYourWrites?: boolean | undefined;
  /**
   * A position of the primary's log (`pg_lsn`, as `session.bookmark` gives it)
   * that a replica must have replayed to answer this session's reads: what an
   * earlier session has written is seen. Without replicas it means nothing.
   * Sessions that are given the same `Bookmark` see what any of them commits.
   *
   * @default {none; with `readYourWrites` one of its own}
   */
  readonly bookmark?: string | Bookmark | undefined;
  /**
   * A JSON Web Token that says who asks, for endpoints that take one in place
   * of a password (Neon over HTTP, with row-level security). It belongs to this
   * session alone, and a connection cannot carry it: what needs one is refused.
   *
   * @default {none}
   */
  readonly authToken?: string | undefined;
  /**
   * Ends the session's work when it fires: the open transaction is rolled back,
   * what runs is cancelled on the server, and nothing more is sent. A COMMIT
   * that has left is waited for.
   *
   * @default {none}
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Named where a pool says who holds its connections; without any value or
   * secret.
   *
   * @default {"a session"}
   */
  readonly name?: string;
  /**
   * What to do once the session is closed, as the error of a late call says it.
   *
   * @default {"open another one"}
   */
  readonly closedHint?: string | undefined;
  /**
   * Who waits for this session to end: a checkout that would wait for that
   * one's own connection is refused at once (`POOL_SELF_DEADLOCK`).
   *
   * @default {the session of the running scope}
   */
  readonly parent?: PoolHolder | undefined;
  /**
   * Called once, before the session first does something that has to be ended:
   * whoever ends it in the background gets ready here.
   *
   * @default {nothing}
   */
  readonly whenUsed?: (() => void) | undefined;
  /** How a scoped session follows its nested blocks. */
  readonly context?: SessionContext;
}

/** Their names. */
export const SESSION_OPTIONS: OptionNames<SessionOptions> = {
  transaction: true,
  atomic: true,
  autobegin: true,
  sharesReads: true,
  claims: true,
  role: true,
  requireClaims: true,
  readYourWrites: true,
  bookmark: true,
  authToken: true,
  signal: true,
  name: true,
  closedHint: true,
  parent: true,
  whenUsed: true,
  context: true,
};

/**
 * Options on top of usual ones: what is not given is as usual, and either
 * signal ends the session. Who is asked for claims and has none gets nobody
 * else's.
 *
 * @param usual What counts where nothing is said.
 * @param own What is said.
 */
export function mergedOptions(
  usual: SessionOptions,
  own: SessionOptions,
): SessionOptions {
  if (Object.keys(usual).length === 0) return own;
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  const all: SessionOptions = { ...usual, ...Object.fromEntries(given) };
  const { signal } = usual;
  const isNobody = own.requireClaims === true && "claims" in own &&
    own.claims === undefined;
  return {
    ...all,
    ...(isNobody && { claims: undefined }),
    ...(signal && own.signal && { signal: anySignal(signal, own.signal) }),
  };
}

/**
 * Options of a session that is opened inside of another: whoever speaks there
 * does so here, unless somebody is named by claims, or by a token. Nothing of
 * the other one is left then: the role could be one that they may not have.
 *
 * @param outer For whom the other speaks.
 * @param own What is said.
 */
export function optionsInside(
  outer: SessionOptions,
  own: SessionOptions,
): SessionOptions {
  const isNamed = own.claims !== undefined || own.authToken !== undefined;
  return mergedOptions(isNamed ? { ...outer, ...NOBODY } : outer, own);
}

const NOBODY: SessionOptions = {
  claims: undefined,
  role: undefined,
  authToken: undefined,
};

/** Where the runtime cannot join them, the nearer one counts. */
function anySignal(usual: AbortSignal, own: AbortSignal): AbortSignal {
  return typeof AbortSignal.any === "function"
    ? AbortSignal.any([usual, own])
    : own;
}
