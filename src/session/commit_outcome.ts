import { orGivenUp } from "../driver/give_up.ts";
import { command, ownRows, type Statement } from "../driver/statement.ts";
import { beginStatement } from "../driver/transaction_sql.ts";
import type { Engine } from "../engine/engine.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";

/** What a commit whose answer was lost can be told by. */
export type CommitEvidence =
  /** The transaction's id, told before COMMIT was sent. */
  | { readonly kind: "xid"; readonly xid: string }
  /** A row of the ledger, written by the transaction itself. */
  | { readonly kind: "ledger"; readonly id: string };

/** What became of a transaction. */
export type CommitOutcome = "committed" | "rolled back" | "unknown";

/** Who asks. */
export interface OutcomeAsker {
  /** Reaches the database. */
  readonly engine: Engine;
  /** Whom the pool lends to. */
  readonly holder: PoolHolder;
  /** Who asks, where there is no connection. */
  readonly authToken?: string | undefined;
}

/** Milliseconds in which an outcome has to be found. */
const OUTCOME_DEADLINE = 15_000;

/** Milliseconds between two questions, at the most. */
const MAX_PAUSE = 500;

/**
 * Finds out, over a fresh connection or request, what became of a transaction
 * whose COMMIT was not answered. One that is still running is waited for.
 *
 * @param evidence What it can be told by.
 * @param asker Who asks.
 * @returns `unknown` when the database could not be asked in time; it never
 * rejects.
 */
export async function commitOutcome(
  evidence: CommitEvidence,
  asker: OutcomeAsker,
): Promise<CommitOutcome> {
  const giveUp = AbortSignal.timeout(OUTCOME_DEADLINE);
  for (
    let pause = 10;
    !giveUp.aborted;
    pause = Math.min(2 * pause, MAX_PAUSE)
  ) {
    const outcome = await ask(evidence, asker, giveUp);
    if (outcome !== undefined) return outcome;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return "unknown";
}

/** One question; nothing where it has to be asked again. */
async function ask(
  evidence: CommitEvidence,
  asker: OutcomeAsker,
  signal: AbortSignal,
): Promise<CommitOutcome | undefined> {
  try {
    const { results: [result], failure } = await orGivenUp(
      send(question(evidence), asker, signal),
      { signal },
    );
    // Who may not ask will never be told.
    if (failure?.name === "DatabaseError") return "unknown";
    // What it has answered is true once it is committed itself.
    if (failure !== undefined) return undefined;
    const [row] = ownRows(result);
    return Array.isArray(row) ? meaning(row[0]) : undefined;
  } catch {
    return undefined;
  }
}

function question(evidence: CommitEvidence): Statement {
  const [text, param] = evidence.kind === "xid"
    // PostgreSQL, "Transaction ID and Snapshot Information Functions".
    ? ["select pg_xact_status($1::xid8)", evidence.xid]
    : ["select nullpool.settle_commit($1::uuid)", evidence.id];
  return { text, params: [param], rowMode: "array", access: "write" };
}

function meaning(answer: unknown): CommitOutcome | undefined {
  switch (answer) {
    case "committed":
      return "committed";
    case "aborted":
    case "rolled back":
      return "rolled back";
    case "in progress":
      return undefined;
    default:
      // Too long ago for the server to know.
      return "unknown";
  }
}

async function send(
  statement: Statement,
  { engine, holder, authToken }: OutcomeAsker,
  signal: AbortSignal,
): Promise<WrappedFlight> {
  if (engine.sendsTransactions) {
    return await engine.sendTransaction([statement], { signal, authToken }, {
      holder,
    });
  }
  const connection = await engine.connect({ signal, holder });
  const cut = () => connection.release({ discard: true });
  signal.addEventListener("abort", cut);
  try {
    // A role may have another level as its default.
    const { results, failure } = await connection.send([
      beginStatement({}),
      statement,
      command("commit"),
    ]);
    return { results: results.slice(1), failure };
  } finally {
    signal.removeEventListener("abort", cut);
    void connection.release({ discard: false });
  }
}
