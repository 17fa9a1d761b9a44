import { type Mark, MARK_KINDS } from "./_inspector_lane.ts";

/** So many statements of one shape in one session are called N+1. */
export const REPEATED = 5;

/** So many milliseconds idle in a transaction are told. */
export const IDLE = 50;

/** Statements of one shape. */
export interface Repetition {
  /** How many. */
  readonly count: number;
  /** One of them. */
  readonly text: string;
  /** When the last of them was answered. */
  readonly at: number;
}

/** For how long a transaction was open while nothing was sent. */
export interface Idleness {
  /** Milliseconds in all. */
  readonly total: number;
  /** When the longest pause ended. */
  readonly at: number;
}

/**
 * The shape of a statement: what is left of it when its values are. Lists of
 * values have one shape, however long they are.
 *
 * @param text The statement.
 */
export function statementShape(text: string): string {
  return text
    .replace(/'(?:[^']|'')*'/g, "?")
    .replace(/\$\d+|\b\d+(?:\.\d+)?\b/g, "?")
    .replace(/\?(?:\s*,\s*\?)+/g, "?")
    .replace(/\(\s*\?\s*\)(?:\s*,\s*\(\s*\?\s*\))+/g, "(?)")
    .replace(/\s+/g, " ")
    .trim();
}

/**
 * Marks what was sent again and again, where one statement would have done.
 *
 * @param repetitions Statements by their shape.
 */
export function repetitionMarks(repetitions: Iterable<Repetition>): Mark[] {
  return [...repetitions]
    .filter(({ count }) => count >= REPEATED)
    .map(({ count, text, at }) => ({
      kind: "repeated",
      at,
      label: `N+1 ×${count}`,
      note:
        `The same statement was sent ${count} times: ask for all of it at once, with a join, "in (..)" or a relational query. ${
          opening(text)
        }`,
    }));
}

/**
 * Marks a transaction that was left open without anything to do.
 *
 * @param idleness How long.
 */
export function idleMarks({ total, at }: Idleness): Mark[] {
  if (total < IDLE) return [];
  const time = `${Math.round(total)} ms`;
  return [{
    kind: "idle",
    at,
    label: `idle ${time}`,
    note:
      `A transaction was open for ${time} while nothing was sent, with its locks and its connection: do slow work before the first write, or behind the commit.`,
  }];
}

/**
 * The worst first, and what happened first of the same kind.
 *
 * @param marks In any order.
 */
export function sortedMarks(marks: readonly Mark[]): Mark[] {
  return marks.toSorted((a, b) =>
    MARK_KINDS.indexOf(a.kind) - MARK_KINDS.indexOf(b.kind) || a.at - b.at
  );
}

function opening(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
