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
    return await this.#outer.connection.send(
      statements.map((statement) => this.#inside(statement)),
    );
  }

  /** Undoes what was not committed. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    if (this.#isOpen && this.usable) await this.send([command("rollback")]);
    this.#isClosed = true;
  }

  /** The statement as it is said inside a transaction. */
  #inside(statement: Statement): Statement {
    const { text } = statement;
    if (text.startsWith("begin isolation level")) {
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
