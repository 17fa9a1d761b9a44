import {
  command,
  ownRows,
  type Result,
  type Statement,
} from "../driver/statement.ts";
import type { LentConnection } from "./_lent_connection.ts";
import { type ToldStatement, untold } from "./_told_statement.ts";
import {
  sendWhole,
  type WholeOptions,
  type WholeParts,
} from "./_whole_transaction.ts";
import type { Bookmark } from "./bookmark.ts";

/** How far the log is that a replica has to replay (PostgreSQL, "Backup Control Functions"). */
const ASK_POSITION: Statement = {
  ...command("select pg_current_wal_insert_lsn()::text"),
  rowMode: "array",
};

/** Milliseconds that it is awaited where nothing depends on it any more. */
const POSITION_DEADLINE = 5_000;

/** What asking takes. */
export interface LogPositionParts extends WholeParts {
  /** Where it is noted, and what a replica must have replayed. */
  readonly bookmark?: Bookmark | undefined;
}

/** Notes how far the log is behind a commit. */
export class LogPosition {
  readonly #parts: LogPositionParts;

  /** @param parts What asking takes. */
  constructor(parts: LogPositionParts) {
    this.#parts = parts;
  }

  /** What asks, behind COMMIT in its flight. */
  behind(): ToldStatement[] {
    return untold([ASK_POSITION]);
  }

  /**
   * Takes in the answer.
   *
   * @param result Nothing where there was none.
   */
  hear(result: Result | undefined): void {
    const [row] = ownRows(result);
    const position: unknown = Array.isArray(row) ? row[0] : undefined;
    if (typeof position === "string") this.#parts.bookmark?.note(position);
  }

  /**
   * Asks behind writes that were committed one by one: in the flight of one the
   * log would not be behind its commit yet.
   *
   * @param lent The connection, if that can be asked still.
   */
  async ask(lent: LentConnection): Promise<void> {
    if (!lent.isUsable) return;
    const { results } = await lent.exchange(this.behind(), {
      statementTimeout: POSITION_DEADLINE,
    });
    this.hear(results[0]);
  }

  /**
   * Asks behind a commit whose connection was lost with the answer, over
   * another one; it was committed, also if nobody can be asked.
   *
   * @param lent Has none any more.
   */
  async askAnew(lent: LentConnection): Promise<void> {
    try {
      await lent.borrow(AbortSignal.timeout(POSITION_DEADLINE));
    } catch {
      return;
    }
    await this.ask(lent);
  }

  /**
   * Asks behind a commit that was a request, of which COMMIT is the end.
   *
   * @param whole How the transaction ran.
   */
  async askAlone(whole: WholeOptions): Promise<void> {
    const options = { ...whole.options, statementTimeout: POSITION_DEADLINE };
    const own = { ...whole, options, onDone: undefined };
    const { results } = await sendWhole(this.behind(), own, this.#parts);
    this.hear(results[0]);
  }
}
