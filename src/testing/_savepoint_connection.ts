import type { Connection } from "../driver/connection.ts";
import {
  command,
  type FlightResult,
  type Statement,
} from "../driver/statement.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";

/** What the savepoints of one outer transaction share. */
export interface OuterTransaction {
  /** The connection on which it is open. */
  readonly connection: EngineConnection;
  /** Makes a name that no other savepoint of it has. */
  readonly newName: () => string;
}

/**
 * A connection inside a transaction that somebody else has opened: what a
 * session takes for its transaction is a savepoint there, as SQLAlchemy's
 * `join_transaction_mode="create_savepoint"` has it.
 */
export class SavepointConnection implements Connection {
  readonly #outer: OuterTransaction;
  readonly #turn: () => Promise<void>;
  #name = "";
  #isOpen = false;
  #isClosed = false;

  /**
   * @param outer Where it is.
   * @param turn Resolves when no other connection is open inside this one:
   * what it sent meanwhile would be undone along with theirs.
   */
  constructor(outer: OuterTransaction, turn: () => Promise<void>) {
    this.#outer = outer;
    this.#turn = turn;
  }

  /** Whether another flight can be sent. */
  get usable(): boolean {
    return !this.#isClosed && this.#outer.connection.usable;
  }

  /** Sends a flight. */
  async send(statements: readonly Statement[]): Promise<FlightResult> {
    await this.#turn();
    const isAlone = !this.#isOpen && !isBegin(statements[0]);
    const inside = statements.map((statement) => this.#inside(statement));
    return isAlone
      ? await this.#sendAlone(inside)
      : await this.#outer.connection.send(inside);
  }

  /** Undoes what was not committed. It never rejects. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    if (this.#isOpen && this.usable) {
      await this.send([command("rollback")]).catch(() => {});
    }
    this.#isClosed = true;
  }

  /** Autocommit: what fails must not fail the outer transaction. */
  async #sendAlone(statements: readonly Statement[]): Promise<FlightResult> {
    const { connection, newName } = this.#outer;
    const name = newName();
    const flight = await connection.send([
      command(`savepoint ${name}`),
      ...statements,
      command(`release savepoint ${name}`),
    ]);
    const results = flight.results.slice(1, 1 + statements.length);
    if (flight.failure === undefined) return { results };
    await connection.send([command(`rollback to savepoint ${name}`)]);
    return { results, failure: flight.failure };
  }

  /** The statement as it is said inside a transaction. */
  #inside(statement: Statement): Statement {
    const { text } = statement;
    if (isBegin(statement)) {
      this.#isOpen = true;
      this.#name = this.#outer.newName();
      return command(`savepoint ${this.#name}`);
    }
    if (text === "commit") {
      this.#isOpen = false;
      return command(`release savepoint ${this.#name}`);
    }
    if (text === "rollback") {
      this.#isOpen = false;
      return command(`rollback to savepoint ${this.#name}`);
    }
    return statement;
  }
}

function isBegin(statement: Statement | undefined): boolean {
  return statement?.text.startsWith("begin isolation level") ?? false;
}
