import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import { command, type Statement } from "../driver/statement.ts";
import type { FlightResult } from "../driver/statement.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";

/**
 * A driver inside a transaction that somebody else has opened: what a session
 * takes for its transaction is a savepoint there, as SQLAlchemy's
 * `join_transaction_mode="create_savepoint"` has it.
 *
 * @param outer The connection with the open transaction.
 * @param describe Names the database in errors.
 */
export function savepointDriver(
  outer: EngineConnection,
  describe: () => string,
): Driver {
  return {
    name: "savepoint",
    maxConnections: 1,
    describe,
    connect: () => Promise.resolve(new SavepointConnection(outer)),
  };
}

class SavepointConnection implements Connection {
  readonly #outer: EngineConnection;
  #count = 0;
  #isOpen = false;
  #closed = false;

  constructor(outer: EngineConnection) {
    this.#outer = outer;
  }

  get usable(): boolean {
    return !this.#closed && this.#outer.usable;
  }

  async send(statements: readonly Statement[]): Promise<FlightResult> {
    return await this.#outer.send(
      statements.map((statement) => this.#inside(statement)),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#isOpen && this.#outer.usable) {
      await this.#outer.send([this.#inside(command("rollback"))]);
    }
  }

  /** The statement as it is said inside a transaction. */
  #inside(statement: Statement): Statement {
    const { text } = statement;
    if (text.startsWith("begin isolation level")) {
      this.#isOpen = true;
      return command(`savepoint nullpool_test_${++this.#count}`);
    }
    const name = `nullpool_test_${this.#count}`;
    if (text === "commit") {
      this.#isOpen = false;
      return command(`release savepoint ${name}`);
    }
    if (text === "rollback") {
      this.#isOpen = false;
      return command(`rollback to savepoint ${name}`);
    }
    return statement;
  }
}
