import type { Result, Statement } from "../driver/statement.ts";
import type { Teller, WrappedFlight } from "../engine/engine_connection.ts";
import type { NullpoolError } from "../errors/error.ts";
import { failedError } from "./_refusals.ts";
import type { ToldStatement } from "./_server_transaction.ts";
import type { Savepoint } from "./savepoint.ts";

/** A statement that waits to be sent, or the SAVEPOINT that leads one. */
interface Pending extends ToldStatement {
  /** Its place among all that were issued. */
  readonly number: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Statements that were issued together, as one flight carries them. */
export class Batch {
  /** In the order in which they were issued. */
  readonly statements: readonly ToldStatement[];
  readonly #pending: readonly Pending[];

  /** @param pending What the queue held. */
  constructor(pending: readonly Pending[]) {
    this.#pending = pending;
    this.statements = pending;
  }

  /** How many of them are the user's. */
  get size(): number {
    return this.#pending.filter(({ tell }) => tell === undefined).length;
  }

  /**
   * Gives each statement its own answer: the one that failed rejects with its
   * error, those behind it were skipped by the server.
   *
   * @param flight The answer.
   */
  settle({ results, failure }: WrappedFlight): void {
    for (const [index, { resolve, reject }] of this.#pending.entries()) {
      const result = results[index];
      if (result !== undefined) resolve(result);
      else if (index === results.length) reject(failure);
      else reject(failedError("execute", failure));
    }
  }

  /** Rejects all of them: none was run. */
  reject(error: NullpoolError | undefined): void {
    for (const { reject } of this.#pending) reject(error);
  }
}

/** What was issued and not sent yet, in order. */
export class StatementQueue {
  readonly #pending: Pending[] = [];
  #issued = 0;

  /** How many were issued so far, sent ones included. */
  get issued(): number {
    return this.#issued;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /** Queues a statement. */
  add(statement: Statement): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#pending.push({
        number: ++this.#issued,
        statement,
        resolve,
        reject,
      });
    });
  }

  /**
   * Queues the SAVEPOINT itself, ahead of the first statement inside.
   *
   * @param savepoint One that was not sent yet.
   * @param tell Told when the server has it.
   */
  addSavepoint(savepoint: Savepoint, tell: Teller): void {
    savepoint.state = "queued";
    this.#pending.push({
      number: ++this.#issued,
      statement: savepoint.begin,
      tell,
      resolve: () => savepoint.state = "open",
      reject: () => savepoint.state = "unsent",
    });
  }

  /**
   * Takes what waits.
   *
   * @param limit How many of them.
   */
  take(limit = Infinity): Batch {
    return new Batch(this.#pending.splice(0, limit));
  }

  /**
   * Rejects what waits.
   *
   * @param error Why.
   * @param issuedBefore Spares that many of the first that were issued.
   */
  reject(error: unknown, issuedBefore = 0): void {
    const spared =
      this.#pending.filter(({ number }) => number <= issuedBefore).length;
    for (const { reject } of this.#pending.splice(spared)) reject(error);
  }
}
