import type { Statement } from "../driver/statement.ts";

/** What Drizzle tells about a builder's query. */
export interface QueryMetadata {
  /** The kind of builder. */
  readonly type: "select" | "update" | "delete" | "insert";
  /** The tables it names. */
  readonly tables: string[];
}

/** A CTE that writes, inside what is a select otherwise. */
const WRITES =
  /\b(insert into|(?<!\bfor (no key )?)update|delete from|merge into)\b/i;

const LOCKS = /\bfor (update|no key update|share|key share)\b/i;

/**
 * Whether a select only reads, maybe with a lock.
 *
 * @param text Its SQL.
 */
export function onlyReads(text: string): boolean {
  return !WRITES.test(text);
}

/**
 * Whether a statement is known to leave the database as it was. Raw SQL is
 * taken for a write, because nobody can tell.
 *
 * @param text Its SQL.
 * @param type The kind of builder it came from, if it came from one.
 */
export function statementAccess(
  text: string,
  type: QueryMetadata["type"] | undefined,
): Statement["access"] {
  return type === "select" && onlyReads(text) && !LOCKS.test(text)
    ? "read"
    : "write";
}
