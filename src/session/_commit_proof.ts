import { command, type Statement } from "../driver/statement.ts";
import type { TransactionOptions } from "../driver/transaction_sql.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import {
  CommitOutcomeError,
  ConnectionError,
} from "../errors/connection_error.ts";
import { DatabaseError } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import {
  type CommitEvidence,
  type CommitOutcome,
  commitOutcome,
  type OutcomeAsker,
} from "./commit_outcome.ts";
import { noteCommit } from "./ledger.ts";

/** What is known of a transaction that is to be committed. */
export interface CommitTerms {
  /** Whether something was issued as a write, or found out as one. */
  readonly hasWritten: boolean;
  /** Whether to ask how far the log is, as anything may have written. */
  readonly asksPosition: boolean;
}

/** How a commit ended. */
export interface CommitEnd {
  /** Answers to what travelled with COMMIT; none where they were lost. */
  readonly flight: WrappedFlight;
  /** Why it was not committed, where that was COMMIT's own fault. */
  readonly error: NullpoolError | undefined;
  /** Whether it was committed, and the answers were lost. */
  readonly isAnswerLost: boolean;
}

/** Nothing is left behind by asking. */
const ASK_XID: Statement = {
  ...command("select pg_current_xact_id_if_assigned()::text"),
  rowMode: "array",
};

/**
 * What a transaction takes along so that its commit can be told even when the
 * answer to COMMIT is lost.
 */
export class CommitProof {
  readonly #asker: OutcomeAsker;
  readonly #options: () => TransactionOptions;
  #evidence: CommitEvidence | undefined;

  /**
   * @param asker Who asks what became of it.
   * @param options How the transaction runs.
   */
  constructor(asker: OutcomeAsker, options: () => TransactionOptions) {
    this.#asker = asker;
    this.#options = options;
  }

  get #mode(): "error" | "xid" | "ledger" {
    return this.#options().lostCommit ?? "error";
  }

  /**
   * What asks for the transaction's id, behind statements that are not the
   * last ones; any of them may have written.
   *
   * @returns One statement, or none.
   */
  behind(): readonly Statement[] {
    const isDue = this.#mode === "xid" && this.#evidence === undefined;
    return isDue ? [ASK_XID] : [];
  }

  /**
   * Takes in what the server has answered to that.
   *
   * @param row Its row.
   */
  hear(row: unknown): void {
    const xid = Array.isArray(row) ? row[0] : undefined;
    // A statement that may write need not have done so.
    if (typeof xid === "string") this.#evidence = { kind: "xid", xid };
  }

  /**
   * What goes ahead of COMMIT, in its flight.
   *
   * @param hasWritten Whether there is anything to be told of.
   * @returns One statement, or none.
   */
  beforeCommit(hasWritten: boolean): readonly Statement[] {
    const isEmpty = !hasWritten || this.#options().readOnly === true;
    if (this.#mode !== "ledger" || isEmpty) return [];
    const id = crypto.randomUUID();
    this.#evidence = { kind: "ledger", id };
    return [noteCommit(id)];
  }

  /**
   * What a flight with COMMIT in it has come to.
   *
   * @param flight Its answers, those to our own statements left out.
   */
  async endOf(flight: WrappedFlight): Promise<CommitEnd> {
    const failure = endingFailure(flight, this.#mode);
    if (!(failure instanceof CommitOutcomeError)) {
      return { flight, error: failure, isAnswerLost: false };
    }
    switch (await this.#outcome()) {
      case "committed":
        return {
          flight: { results: [] },
          error: undefined,
          isAnswerLost: true,
        };
      case "rolled back":
        return { flight, error: undoneError(failure), isAnswerLost: false };
      case "unknown":
        return { flight, error: failure, isAnswerLost: false };
    }
  }

  /** Without evidence it may still have done something, such as NOTIFY. */
  async #outcome(): Promise<CommitOutcome> {
    const evidence = this.#evidence;
    return evidence === undefined
      ? "unknown"
      : await commitOutcome(evidence, this.#asker);
  }
}

/** Why a COMMIT did not commit, if it did not. */
function endingFailure(
  { failure, results }: WrappedFlight,
  mode: "error" | "xid" | "ledger",
): NullpoolError | undefined {
  if (failure instanceof ConnectionError) {
    return failure.maybeExecuted ? lostError(failure) : failure;
  }
  if (failure !== undefined) {
    return mode === "ledger" && isLedgerMissing(failure)
      ? ledgerError(failure)
      : failure;
  }
  if (results.at(-1)?.command !== "ROLLBACK") return undefined;
  return new DatabaseError(
    "COMMIT_ROLLED_BACK",
    "Cannot commit: the server answered COMMIT with ROLLBACK; nothing was saved",
    { sqlstate: "25P02" },
  );
}

function lostError(failure: ConnectionError): CommitOutcomeError {
  return new CommitOutcomeError(
    `The answer to COMMIT was lost: ${failure.message}`,
    { cause: failure },
  );
}

function undoneError(cause: CommitOutcomeError): ConnectionError {
  return new ConnectionError(
    "CONNECTION_LOST",
    "Cannot commit: the connection was lost, and the server has rolled the transaction back; run it again",
    { cause, maybeExecuted: false },
  );
}

/** No such schema, whose name PostgreSQL may not repeat; or function, or table. */
function isLedgerMissing(failure: NullpoolError): boolean {
  if (!(failure instanceof DatabaseError)) return false;
  const { sqlstate, message } = failure;
  return sqlstate === "3F000" ||
    (/^42(?:883|P01)$/.test(sqlstate) && message.includes("nullpool."));
}

function ledgerError(cause: NullpoolError): StateError {
  return new StateError(
    "LEDGER_MISSING",
    'Cannot commit: the database has no ledger for lostCommit: "ledger"; run the statements of ledgerMigration, or use another value',
    { cause },
  );
}
