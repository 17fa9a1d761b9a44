/** One statement that a server ran. */
export interface LoggedStatement {
  /** Process id of the backend, as `pg_backend_pid()`. */
  backend: number;
  /** Virtual transaction id: equal for the statements of one transaction. */
  transaction: string;
  /** The text as it was sent, placeholders and all. */
  sql: string;
}

/** Of `log_line_prefix = '%m [%p] %d %v '`. */
const ENTRY = /^\d{4}-\S+ \S+ \S+ \[(\d+)\] (\S*) (\S*) [A-Z]+[0-9]?: {2}/;
const STATEMENT = /^(?:statement|execute [^:]*): /;

/** Finds the statements of one database in a server log, in order. */
export function statementsOf(
  database: string,
  log: string,
): LoggedStatement[] {
  // A line of an entry that goes on starts with a tab.
  return log.replaceAll("\n\t", "\u0000").split("\n").flatMap((line) => {
    const entry = ENTRY.exec(line);
    if (entry === null || entry[2] !== database) return [];
    const message = line.slice(entry[0].length);
    if (!STATEMENT.test(message)) return [];
    return {
      backend: Number(entry[1]),
      transaction: entry[3] ?? "",
      sql: message.replace(STATEMENT, "").replaceAll("\u0000", "\n"),
    };
  });
}
