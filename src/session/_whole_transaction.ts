import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Statement } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import type { SessionStats } from "./session_stats.ts";
import type { Settings } from "./settings.ts";
import {
  answerDeadline,
  settingsOf,
  type ToldStatement,
  untold,
} from "./_told_statement.ts";

/** How statements run in a transaction of their own. */
export interface WholeOptions {
  /** How it runs. */
  readonly options: TransactionOptions;
  /** What is set in it. */
  readonly settings: Settings;
  /** What goes ahead of its statements, behind the settings. */
  readonly lead?: readonly Statement[];
  /** Gives up waiting. */
  readonly abort: AbortController;
  /** Who asks, where there is no connection. */
  readonly authToken?: string | undefined;
  /** Called with its milliseconds when a request has succeeded. */
  readonly onDone?: ((duration: number) => void) | undefined;
}

/** What a whole transaction needs of its session. */
export interface WholeParts {
  /** Sends it. */
  readonly engine: Engine;
  /** Counted on. */
  readonly stats: SessionStats;
  /** As events tell it. */
  readonly holder: PoolHolder;
}

/**
 * Sends a whole transaction as one flight, without a connection.
 *
 * @param statements What it does.
 * @param options How it runs.
 * @param parts What it needs of its session.
 * @returns The results of the statements.
 */
export async function sendWhole(
  statements: readonly ToldStatement[],
  whole: WholeOptions,
  { engine, stats, holder }: WholeParts,
): Promise<WrappedFlight> {
  const { options, settings, lead: ahead = [], abort, authToken } = whole;
  const lead = [...settingsOf(settings), ...untold(ahead)];
  const all = [...lead, ...statements];
  const deadline = answerDeadline(
    engine,
    options,
    (error) => abort.abort(error),
  );
  const { results, failure, failedAt, duration = 0 } = await engine
    .sendTransaction(
      all.map(({ statement }) => statement),
      { ...options, signal: abort.signal, authToken },
      { holder, tellers: all.map(({ tell }) => tell), onDone: whole.onDone },
    );
  deadline.clear();
  stats.roundTrips++;
  stats.requests++;
  stats.duration += duration;
  if (failure === undefined) return { results: results.slice(lead.length) };
  const at = failedAt === undefined ? undefined : failedAt - lead.length;
  return { results: [], failure, failedAt: at };
}
