import type { Connection } from "../driver/connection.ts";
import {
  command,
  type FlightResult,
  type Result,
  type Statement,
} from "../driver/statement.ts";
import { settingsStatement } from "../driver/transaction_sql.ts";
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
  /** What settings were before the session's own. */
  readonly #settings = new Map<string, string>();
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
    if (!this.#isOpen && !isBegin(statements[0])) {
      return await this.#sendAlone(statements);
    }
    const inside = statements.flatMap((statement) => this.#inside(statement));
    const flight = await this.#outer.connection.send(
      inside.map(({ statement }) => statement),
    );
    const results = flight.results.filter((result, at) => {
      const isOurs = inside[at]?.isOurs ?? false;
      if (isOurs) this.#remember(result);
      return !isOurs;
    });
    return { ...flight, results };
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

  /** The statement as it is said inside a transaction, and what goes with it. */
  #inside(statement: Statement): readonly Said[] {
    const { text, params } = statement;
    if (isBegin(statement)) {
      this.#isOpen = true;
      this.#name = this.#outer.newName();
      return [{ statement: command(`savepoint ${this.#name}`) }];
    }
    if (text === "commit") {
      this.#isOpen = false;
      const release = command(`release savepoint ${this.#name}`);
      return [{ statement: release }, ...this.#restoredSettings()];
    }
    if (text === "rollback") {
      this.#isOpen = false;
      return [{ statement: command(`rollback to savepoint ${this.#name}`) }];
    }
    if (!text.startsWith("select set_config($1, $2, true)")) {
      return [{ statement }];
    }
    const names = params.filter((_, at) => at % 2 === 0);
    return [{ statement: currentSettings(names), isOurs: true }, { statement }];
  }

  #remember({ rows }: Result): void {
    for (const row of rows) {
      if (!Array.isArray(row)) continue;
      const [name, value] = row;
      if (!this.#settings.has(name)) this.#settings.set(name, value ?? "");
    }
  }

  /**
   * A real COMMIT ends what `set_config(.., true)` has set; RELEASE keeps it,
   * and the next session would have the rights of this one.
   */
  #restoredSettings(): readonly Said[] {
    if (this.#settings.size === 0) return [];
    const statement = settingsStatement(Object.fromEntries(this.#settings));
    this.#settings.clear();
    return [{ statement, isOurs: true }];
  }
}

/** One statement of a flight; ours have no result for the session. */
interface Said {
  readonly statement: Statement;
  readonly isOurs?: boolean;
}

function currentSettings(names: Statement["params"]): Statement {
  return {
    text: `select n, current_setting(n, true) from unnest(array[${
      names.map((_, at) => `$${at + 1}::text`).join(", ")
    }]) as n`,
    params: names,
    rowMode: "array",
    access: "read",
  };
}

function isBegin(statement: Statement | undefined): boolean {
  return statement?.text.startsWith("begin isolation level") ?? false;
}
