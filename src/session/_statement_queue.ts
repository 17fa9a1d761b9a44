import { fitsAsJson } from "../driver/json_bytes.ts";
import type { Result, Statement } from "../driver/statement.ts";
import type { Teller, WrappedFlight } from "../engine/flight.ts";
import { failedError } from "./_refusals.ts";
import type { ToldStatement } from "./_told_statement.ts";
import type { Savepoint } from "./savepoint.ts";

/** A statement that waits to be sent, or the SAVEPOINT that leads one. */
interface Pending extends ToldStatement {
  /** What to send. */
  statement: Statement;
  /** Its place among all that were issued. */
  readonly number: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** What a statement comes back with whose answer was lost. */
const LOST_RESULT: Result = {
  rows: [],
  command: "",
  rowCount: null,
  fields: [],
  isLost: true,
};

/** Statements that were issued together, as one flight carries them. */
export class Batch {
  /** In the order in which they were issued. */
  readonly statements: readonly ToldStatement[];
  readonly #pending: readonly Pending[];
  #isAnswered = false;

  /** @param pending What the queue held. */
  constructor(pending: readonly Pending[]) {
    this.#pending = pending;
    this.statements = pending;
  }

  /** Whether each of them has its answer. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** How many of them are the user's. */
  get size(): number {
    return this.#pending.filter(({ tell }) => tell === undefined).length;
  }

  /**
   * Gives each statement its own answer: the one that failed rejects with its
   * error, the others were skipped by the server, or undone. Where nobody knows
   * which one failed, all of them reject with the error. Where it is one that
   * its user does not know of, such as SAVEPOINT, so does theirs behind it.
   *
   * @param flight The answer.
   */
  settle({ results, failure, failedAt = Infinity }: WrappedFlight): void {
    this.#isAnswered = true;
    const last = this.#pending.findIndex(({ tell }, index) =>
      index >= failedAt && tell === undefined
    );
    for (const [index, { resolve, reject }] of this.#pending.entries()) {
      const result = results[index];
      const isFailed = last < 0 || (index >= failedAt && index <= last);
      if (result !== undefined) resolve(result);
      else reject(isFailed ? failure : failedError("execute", failure));
    }
  }

  /** Of a transaction that was committed, whose answers were lost. */
  settleLost(): void {
    this.#isAnswered = true;
    for (const { resolve } of this.#pending) resolve(LOST_RESULT);
  }

  /** Gives the first of them their answers. */
  answer(results: readonly Result[]): void {
    for (const [at, result] of results.entries()) {
      this.#pending[at]?.resolve(result);
    }
  }

  /** Those behind the first, as they waited. */
  behind(count: number): readonly Pending[] {
    return this.#pending.slice(count);
  }

  /** Rejects all of them: none was run. */
  reject(error: unknown): void {
    this.#isAnswered = true;
    for (const { reject } of this.#pending) reject(error);
  }
}

/** A statement whose parameters are there, and not made when asked for. */
function written(
  statement: Statement,
  params: Statement["params"],
): Statement {
  if (Object.hasOwn(statement, "params")) return statement;
  const { text, rowMode, access, mayLag, isOwn, stale, onAnswer } = statement;
  return { text, params, rowMode, access, mayLag, isOwn, stale, onAnswer };
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

  /** Whether all that waits only reads, and no savepoint is around it. */
  get isPure(): boolean {
    return this.#pending.every(({ statement: { access }, tell }) =>
      access === "pure" && tell === undefined
    );
  }

  /**
   * Whether what waits has no more bytes than that, as JSON. What was written
   * to be counted is kept to be sent.
   *
   * @param limit So many; what is between them is not counted.
   */
  fits(limit: number): boolean {
    const texts: (string | null)[] = [];
    let characters = 0;
    for (const each of this.#pending) {
      const { statement } = each;
      const { text, params } = statement;
      texts.push(text, ...params);
      characters += text.length;
      for (const value of params) characters += value?.length ?? 0;
      // The rest of a long list is written page by page.
      if (characters > limit) return false;
      each.statement = written(statement, params);
    }
    return fitsAsJson(texts, limit);
  }

  /** Parameters of the statement that has most of them. */
  get mostParams(): number {
    return this.#pending.reduce(
      (most, { statement }) => Math.max(most, statement.params.length),
      0,
    );
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
   * Puts back what is to be sent in another way.
   *
   * @param batch What was taken.
   * @param answered How many of it were answered.
   */
  putBack(batch: Batch, answered: number): void {
    this.#pending.unshift(...batch.behind(answered));
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
