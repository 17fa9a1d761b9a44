import type { DatabaseAddress } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";

/** What is told of one session, or of whoever else borrows connections. */
export interface HolderEvent {
  /**
   * Whose it is: the same object in all events of one session, with a name and
   * the session that waits for it. Nothing where nobody has said so.
   */
  readonly session: PoolHolder | undefined;
}

/** What is told of one database among those that an engine knows. */
export interface DatabaseEvent extends HolderEvent {
  /** Which one; nothing where its driver cannot tell, or not yet. */
  readonly address: DatabaseAddress | undefined;
}

/** A session was made; nothing is opened or sent yet. */
export interface SessionOpenEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "sessionOpen";
  /** Where it was made, such as ` (called at file:12:3)`; empty in production. */
  readonly place: string;
}

/** A session has ended, and its connection is returned or closed. */
export interface SessionCloseEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "sessionClose";
  /** Statements of the user's that it has sent. */
  readonly statements: number;
  /** How often it has waited for an answer. */
  readonly roundTrips: number;
}

/** A connection was opened. */
export interface ConnectEvent extends DatabaseEvent {
  /** Tells the events apart. */
  readonly type: "connect";
  /** Milliseconds that it took. */
  readonly duration: number;
}

/** A connection was closed. */
export interface CloseEvent {
  /** Tells the events apart. */
  readonly type: "close";
}

/** A session borrowed a connection. */
export interface CheckoutEvent extends DatabaseEvent {
  /** Tells the events apart. */
  readonly type: "checkout";
  /** Milliseconds waited, opening included. */
  readonly duration: number;
}

/** A session got no connection. */
export interface CheckoutErrorEvent extends DatabaseEvent {
  /** Tells the events apart. */
  readonly type: "checkoutError";
  /** Milliseconds waited. */
  readonly duration: number;
  /** The code of the error. */
  readonly error: string | undefined;
  /** The SQLSTATE, if it was the server that refused. */
  readonly sqlstate: string | undefined;
}

/** A session gave its connection back. */
export interface CheckinEvent extends DatabaseEvent {
  /** Tells the events apart. */
  readonly type: "checkin";
  /** Whether it was thrown away because its state is in doubt. */
  readonly discarded: boolean;
  /** Milliseconds for which it was lent. */
  readonly held: number;
  /** Milliseconds until it was free for others, or closed. */
  readonly duration: number;
}

/** A transaction began on the server. */
export interface BeginEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "begin";
  /** How it runs. */
  readonly options: TransactionOptions;
  /** Milliseconds of the flight that BEGIN was part of. */
  readonly duration: number;
}

/** A savepoint was opened, kept or undone on the server. */
export interface SavepointEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "savepoint";
  /** Its name, which is never used twice in a transaction. */
  readonly name: string;
  /** What became of it. */
  readonly action: "begin" | "release" | "rollback";
  /** Milliseconds of the flight that it was part of. */
  readonly duration: number;
}

/**
 * A statement was answered; BEGIN, COMMIT, ROLLBACK and savepoints have events
 * of their own where they succeed. The statements of a flight are told in one
 * go, one behind the other. Where a request fails as a whole, and nobody knows
 * which of its statements it was, each is told as failed.
 */
export interface StatementEvent extends DatabaseEvent {
  /** Tells the events apart. */
  readonly type: "statement";
  /** SQL text, with placeholders. */
  readonly text: string;
  /**
   * Parameters in placeholder order; only with the engine's option
   * `exposeParameters`, which production refuses.
   */
  readonly parameters?: readonly unknown[];
  /** Milliseconds from sending its flight to the flight's answer. */
  readonly duration: number;
  /** Rows returned or affected, where the command counts them. */
  readonly rowCount: number | null;
  /** The code of the error, if it failed. */
  readonly error: string | undefined;
  /** The SQLSTATE, if the server refused it. */
  readonly sqlstate: string | undefined;
  /**
   * Whether nobody has asked for it: settings and claims of a transaction, or
   * its BEGIN, COMMIT or ROLLBACK that has failed.
   */
  readonly isOwn: boolean;
  /** How many statements that were asked for its flight carried. */
  readonly flightSize: number;
  /** Whether it is the last of them that is told. */
  readonly isLast: boolean;
}

/**
 * How statements meet the wire. `one-shot`: reads as a read-only transaction of
 * their own, begun and ended in one flight. `batch`: a whole unit of work with
 * its COMMIT in one request. `interactive`: a transaction that stays open, on a
 * connection that the session holds.
 */
export type Transport = "one-shot" | "batch" | "interactive";

/** Statements of a session were sent together, and answered. */
export interface FlightEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "flight";
  /** How they travelled. */
  readonly transport: Transport;
  /** Why so. */
  readonly reason: string;
  /** Whether they were a request, and needed no connection. */
  readonly isRequest: boolean;
  /** How many statements of the user they were. */
  readonly statements: number;
  /** Milliseconds until the answer, waiting for a connection included. */
  readonly duration: number;
}

/** The pending changes of a session were written; a commit has yet to come. */
export interface FlushEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "flush";
  /** Rows inserted. */
  readonly inserted: number;
  /** Rows updated. */
  readonly updated: number;
  /** Rows deleted. */
  readonly deleted: number;
  /** Statements that it took; they travel in one flight. */
  readonly statements: number;
  /** Milliseconds until the answer. */
  readonly duration: number;
}

/** A transaction was committed. */
export interface CommitEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "commit";
  /** How many statements that were asked for travelled with COMMIT. */
  readonly statements: number;
  /** Milliseconds of the flight that COMMIT was part of. */
  readonly duration: number;
}

/** A transaction was rolled back, or nobody knows whether it was. */
export interface RollbackEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "rollback";
  /** Milliseconds of the flight that ROLLBACK was; 0 where nothing was sent. */
  readonly duration: number;
  /** Why, where the caller said so, such as `response status 404`. */
  readonly reason: string | undefined;
  /** How many statements that may have written, and pending changes, were dropped. */
  readonly changes: number;
  /** Whether the answer to its COMMIT was lost: it may have been done. */
  readonly isInDoubt: boolean;
}

/** A unit of work lost against another one, and is about to be run again. */
export interface RetryEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "retry";
  /** How many runs have failed so far. */
  readonly failures: number;
  /** Milliseconds until it is run again. */
  readonly delay: number;
  /** The code of what the last one failed with, if it was an error of ours. */
  readonly error: string | undefined;
}

/**
 * A request was answered, as far as its handler is concerned. Where it has more
 * than one session each tells so: two middlewares, or the runs of
 * `transactional()`, of which one that is repeated has no status.
 */
export interface RequestEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "request";
  /** Its method. */
  readonly method: string;
  /** The pattern of its route, such as `/orders/:id`: never a path or a query. */
  readonly route: string;
  /** Status of the answer; nothing where the handler threw on. */
  readonly status: number | undefined;
  /** Milliseconds from its session's opening to the answer. */
  readonly duration: number;
}

/** A session that had a connection was dropped without `close()`. */
export interface LeakEvent extends HolderEvent {
  /** Tells the events apart. */
  readonly type: "leak";
  /** The session's name, such as `a GET request`. */
  readonly name: string;
  /** Where it was made, such as ` (called at file:12:3)`; empty in production. */
  readonly place: string;
}

/** Work behind a response has failed, or could not be committed. */
export interface BackgroundErrorEvent {
  /** Tells the events apart. */
  readonly type: "backgroundError";
  /** What it threw. */
  readonly error: unknown;
}

/**
 * A listener, a hook behind the end of a transaction, or a column at the answer
 * to what was committed threw; the session went on.
 */
export interface ListenerErrorEvent {
  /** Tells the events apart. */
  readonly type: "listenerError";
  /** What it threw. */
  readonly error: unknown;
}

/** Everything that an engine tells, by type. */
export interface EventMap {
  /** A session was made. */
  sessionOpen: SessionOpenEvent;
  /** A session has ended. */
  sessionClose: SessionCloseEvent;
  /** A connection was opened. */
  connect: ConnectEvent;
  /** A connection was closed. */
  close: CloseEvent;
  /** A session borrowed a connection. */
  checkout: CheckoutEvent;
  /** A session got no connection. */
  checkoutError: CheckoutErrorEvent;
  /** A session gave its connection back. */
  checkin: CheckinEvent;
  /** A transaction began on the server. */
  begin: BeginEvent;
  /** A savepoint was opened, kept or undone. */
  savepoint: SavepointEvent;
  /** A statement was answered. */
  statement: StatementEvent;
  /** Statements were sent together. */
  flight: FlightEvent;
  /** Pending changes were written. */
  flush: FlushEvent;
  /** A transaction was committed. */
  commit: CommitEvent;
  /** A transaction was rolled back. */
  rollback: RollbackEvent;
  /** A unit of work is run again. */
  retry: RetryEvent;
  /** A request was answered. */
  request: RequestEvent;
  /** A session was dropped without `close()`. */
  leak: LeakEvent;
  /** Work behind a response failed. */
  backgroundError: BackgroundErrorEvent;
  /** A listener threw. */
  listenerError: ListenerErrorEvent;
}

/** One event. */
export type EngineEvent = EventMap[keyof EventMap];
