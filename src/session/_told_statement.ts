import type { Deadline } from "../driver/deadline.ts";
import type { Statement } from "../driver/statement.ts";
import {
  isAutocommit,
  settingsStatement,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { Teller, WrappedFlight } from "../engine/flight.ts";
import type { NullpoolError } from "../errors/error.ts";
import { statementTimeoutError } from "./_interruptions.ts";
import type { Settings } from "./settings.ts";

/** Milliseconds that an answer is awaited where nothing else is said. */
const DEFAULT_STATEMENT_TIMEOUT = 30_000;

/** A statement, and what its answer means where it is one of ours. */
export interface ToldStatement {
  /** What to send. */
  readonly statement: Statement;
  /** Told in place of the `statement` event. */
  readonly tell?: Teller | undefined;
}

/** Of what only the session knows. */
function tellNobody(): void {}

/** Statements of ours that are told to nobody. */
export function untold(statements: readonly Statement[]): ToldStatement[] {
  return statements.map((statement) => ({ statement, tell: tellNobody }));
}

/** The statement that sets them, if there are any. */
export function settingsOf(settings: Settings): ToldStatement[] {
  if (Object.keys(settings).length === 0) return [];
  return [{ statement: settingsStatement(settings) }];
}

/** What of a flight is the answer to statements behind those that led it. */
export function ownFlight(
  { results, failure }: Pick<WrappedFlight, "results" | "failure">,
  lead: number,
  count = Infinity,
): WrappedFlight {
  const own = results.slice(lead, lead + count);
  return failure === undefined
    ? { results: own }
    : { results: own, failure, failedAt: own.length };
}

/** Calls back with the error of a statement that is not answered in time. */
export function answerDeadline(
  engine: Engine,
  options: TransactionOptions,
  onLate: (error: NullpoolError) => void,
): Deadline {
  const usual = isAutocommit(options) ? 0 : DEFAULT_STATEMENT_TIMEOUT;
  const { statementTimeout = usual } = options;
  return engine.startDeadline(
    statementTimeout,
    () => onLate(statementTimeoutError(statementTimeout)),
  );
}
