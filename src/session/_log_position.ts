import {
  command,
  ownRows,
  type Result,
  type Statement,
} from "../driver/statement.ts";
import type { LentConnection } from "./_lent_connection.ts";
import { untold } from "./_told_statement.ts";
import type { SessionStats } from "./session_stats.ts";

/** How far the log is that a replica has to replay (PostgreSQL, "Backup Control Functions"). */
export const ASK_POSITION: Statement = {
  ...command("select pg_current_wal_insert_lsn()::text"),
  rowMode: "array",
};

/** Milliseconds that it is awaited where nothing depends on it any more. */
const POSITION_DEADLINE = 5_000;

/** Takes in the answer, if there was one. */
export function notePosition(
  stats: SessionStats,
  result: Result | undefined,
): void {
  const [row] = ownRows(result);
  const position: unknown = Array.isArray(row) ? row[0] : undefined;
  if (typeof position === "string") stats.bookmark = position;
}

/**
 * Asks for it behind writes that were committed one by one: in the flight of
 * one the log would not be behind its commit yet.
 *
 * @param stats Where it is noted.
 * @param lent The connection, if that can be asked still.
 */
export async function askPosition(
  stats: SessionStats,
  lent: LentConnection,
): Promise<void> {
  if (!lent.isUsable) return;
  const { results } = await lent.exchange(untold([ASK_POSITION]), {
    statementTimeout: POSITION_DEADLINE,
  });
  notePosition(stats, results[0]);
}
