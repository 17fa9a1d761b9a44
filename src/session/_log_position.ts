import {
  command,
  ownRows,
  type Result,
  type Statement,
} from "../driver/statement.ts";
import type { SessionStats } from "./session_stats.ts";

/** How far the log is that a replica has to replay (PostgreSQL, "Backup Control Functions"). */
export const ASK_POSITION: Statement = {
  ...command("select pg_current_wal_insert_lsn()::text"),
  rowMode: "array",
};

/** Takes in the answer, if there was one. */
export function notePosition(
  stats: SessionStats,
  result: Result | undefined,
): void {
  const [row] = ownRows(result);
  const position: unknown = Array.isArray(row) ? row[0] : undefined;
  if (typeof position === "string") stats.bookmark = position;
}
