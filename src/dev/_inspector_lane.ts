import type { Transport } from "../events/event.ts";

/** What a stretch of time was spent on. */
export type StepKind =
  /** For a slot of the pool, or for a connection that never came. */
  | "wait"
  | "connect"
  | "begin"
  | "statement"
  | "savepoint"
  | "commit"
  | "rollback"
  /** Around the statements that it took. */
  | "flush"
  /** A transaction was open, and nobody had anything to send. */
  | "idle"
  | "close";

/** A stretch of time. */
export interface Step {
  /** What it was spent on. */
  readonly kind: StepKind;
  /** When it began, in milliseconds of the log's clock. */
  readonly start: number;
  /** When it ended. */
  readonly end: number;
  /** Those with the same number travelled together; counted from 1. */
  readonly flight?: number;
  /** Place of its SQL among the texts of its lane. */
  readonly text?: number;
  /** Rows returned or affected. */
  readonly rows?: number | null;
  /** The code of the error, if it failed. */
  readonly error?: string | undefined;
  /** What else there is to say, such as why it was rolled back. */
  readonly note?: string | undefined;
  /** Whether the log has its parameters. */
  readonly hasValues?: boolean;
}

/** How what travelled together met the wire. */
export interface Flight {
  /** How it travelled. */
  readonly transport: Transport;
  /** Why so. */
  readonly reason: string;
  /** Whether it was an HTTP request. */
  readonly isRequest: boolean;
}

/** What is marked in a lane, the worst first. */
export const MARK_KINDS = [
  "error",
  "leak",
  "retry",
  "rollback",
  "repeated",
  "idle",
] as const;

/** Something that somebody should look at. */
export interface Mark {
  /** What it is. */
  readonly kind: typeof MARK_KINDS[number];
  /** When, in milliseconds of the log's clock. */
  readonly at: number;
  /** A few words. */
  readonly label: string;
  /** What happened and what to do. */
  readonly note: string;
}

/** An answered request. */
export interface LaneRequest {
  /** Its method. */
  readonly method: string;
  /** The pattern of its route. */
  readonly route: string;
  /** Its status; nothing where the handler threw on. */
  readonly status: number | undefined;
  /** When it was answered. */
  readonly at: number;
}

/** Sums, also of what is not kept step by step. */
export interface LaneCounts {
  /** Statements answered. */
  readonly statements: number;
  /** Round trips: flights, and what ended a transaction on its own. */
  readonly roundTrips: number;
  /** Connections opened. */
  readonly connections: number;
  /** Rows returned or affected. */
  readonly rows: number;
  /** Steps beyond the limit. */
  readonly dropped: number;
}

/** A session from its making to its end, as data. */
export interface Lane {
  /** Counted up. */
  readonly id: number;
  /** The lane that waits for this one. */
  readonly parent: number | undefined;
  /** The session's name. */
  readonly name: string;
  /** Where it was made, such as ` (called at file:12:3)`. */
  readonly place: string;
  /** When it was made, in milliseconds of the log's clock. */
  readonly openedAt: number;
  /** When it ended; nothing while it runs. */
  readonly closedAt: number | undefined;
  /** Whether a transaction is open. */
  readonly isOpen: boolean;
  /** Its answer, where it is a request's. */
  readonly request: LaneRequest | undefined;
  /** In order of their start. */
  readonly steps: readonly Step[];
  /** By number; one that is missing was told by nobody. */
  readonly flights: Readonly<Record<number, Flight>>;
  /** SQL of its steps, each once. */
  readonly texts: readonly string[];
  /** What to look at, the worst first. */
  readonly marks: readonly Mark[];
  /** Sums. */
  readonly counts: LaneCounts;
}
