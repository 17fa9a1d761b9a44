import type { WireParameter } from "../driver/parameter.ts";
import type { Statement } from "../driver/statement.ts";
import { statementStart } from "../driver/statement_start.ts";
import { copiesIn } from "./copy_in.ts";

/**
 * The messages a client sends, as `pg`, Neon's client and PGlite's serializer
 * all spell them.
 */
export interface FrontendMessages {
  /** Parses an unnamed statement. */
  parse(message: { text: string }): unknown;
  /** Binds parameters to the unnamed portal. */
  bind(message: { values: readonly WireParameter[] }): unknown;
  /** Asks for the portal's columns. */
  describe(message: { type: "P" }): unknown;
  /** Runs the portal to its end. */
  execute(message: Record<never, never>): unknown;
  /** Ends the flight. */
  sync(): unknown;
}

/**
 * Takes the place of COPY FROM STDIN. The server would read the rest of the
 * flight as data, its Sync included, and PGlite would never come back.
 */
const REFUSE_COPY = "do $$ begin raise exception using errcode = '0A000', " +
  "message = 'COPY FROM STDIN is not supported'; end $$";

/**
 * Writes a flight: its statements, and a single Sync.
 *
 * @param statements What is sent.
 * @param messages Where it goes.
 * @param write Writes one of them, if not from scratch.
 */
export function writeFlight<Messages extends FrontendMessages>(
  statements: readonly Statement[],
  messages: Messages,
  write: (statement: Statement, messages: Messages) => void = writeStatement,
): void {
  for (const statement of statements) write(statement, messages);
  messages.sync();
}

/**
 * Writes a statement of a flight: parse, bind, describe and execute. It is
 * unnamed, so that a pooler in transaction mode may move the connection between
 * transactions.
 *
 * @param statement What is sent.
 * @param messages Where it goes.
 */
export function writeStatement(
  statement: Statement,
  messages: FrontendMessages,
): void {
  // Half a surrogate pair has no UTF-8: PGlite would miscount its bytes.
  const text = isCopyIn(statement.text)
    ? REFUSE_COPY
    : statement.text.toWellFormed();
  messages.parse({ text });
  messages.bind({ values: statement.params });
  // Whose rows nobody reads need no columns either.
  if (statement.rowMode !== "none") messages.describe({ type: "P" });
  messages.execute({});
}

/** A text that is parsed has one statement, or the server refuses it. */
function isCopyIn(text: string): boolean {
  const start = statementStart(text);
  return /^copy/i.test(start) && copiesIn(start);
}

/**
 * Joins the pieces of a flight into one: a transport then sends one packet or
 * frame (pieces on Deno's own WebSocket meet Nagle's algorithm).
 *
 * @param chunks The pieces in order.
 */
export function joinChunks(
  chunks: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const length = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return joined;
}
