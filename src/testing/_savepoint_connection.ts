import type { Connection } from "../driver/connection.ts";
import { orGivenUp } from "../driver/give_up.ts";
import {
  command,
  type FlightResult,
  type Result,
  type Statement,
} from "../driver/statement.ts";
import { statementStart } from "../driver/statement_start.ts";
import {
  beginsTransaction,
  endsTransaction,
  settingsStatement,
} from "../driver/transaction_sql.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";
import type { FlightListeners } from "../engine/flight.ts";
import { ConnectionError } from "../errors/connection_error.ts";

/** Milliseconds that an end waits for a statement that was given up. */
const PATIENCE = 5_000;

/** What the savepoints of one outer transaction share. */
export interface OuterTransaction {
  /** The connection on which it is open. */
  readonly connection: EngineConnection;
  /** Makes a name that no other savepoint of it has. */
  readonly newName: () => string;
  /** Why nothing can be sent any more. */
  failure?: ConnectionError;
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
  /** The savepoint that stands for an open transaction. */
  #savepoint: string | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #isGivenBack = false;

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
    return !this.#isGivenBack && this.#outer.connection.usable;
  }

  /** Sends a flight. */
  async send(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult> {
    const results: Result[] = [];
    for (const part of partsOf(statements, this.#savepoint !== undefined)) {
      const flight = await this.#remember(part) ??
        await this.#inTurn(() => this.#sendPart(part, onProgress));
      results.push(...flight.results);
      if (flight.failure !== undefined) return { ...flight, results };
    }
    return { results };
  }

  /** Each time anew: another connection may have come in between two flights. */
  async #inTurn(send: () => Promise<FlightResult>): Promise<FlightResult> {
    await this.#turn();
    // Nobody waits for it any more; late, it would still be done.
    const failure = this.#isGivenBack ? givenBackError() : this.#outer.failure;
    if (failure !== undefined) return { results: [], failure };
    const sending = send();
    this.#sending = sending.catch(() => {});
    return await sending;
  }

  /** Undoes what was not committed. It never rejects. */
  async close(): Promise<void> {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    // What was given up is not cancelled, as the connection goes with it.
    await orGivenUp(this.#sending, { timeout: PATIENCE })
      .catch(() => this.#giveUpOuter());
    if (this.#savepoint === undefined) return;
    try {
      await this.#turn();
      await this.#sendPart([command("rollback")]);
    } catch {
      // The test has ended, and with it whatever was open.
    }
  }

  #giveUpOuter(): void {
    const { connection } = this.#outer;
    this.#outer.failure ??= unansweredError();
    connection.cut(this.#outer.failure);
    void connection.release({ discard: true });
  }

  async #sendPart(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult> {
    const { connection } = this.#outer;
    const listeners = onProgress && { onProgress };
    const [first] = statements;
    if (this.#savepoint === undefined && first && !begins(first)) {
      // The outer transaction is not this one's to end.
      if (ends(first)) return ANSWERED;
      return await this.#sendAlone(statements, listeners);
    }
    const said = this.#inside(statements);
    const flight = await connection.send(
      said.map(({ statement }) => statement),
      listeners,
    );
    const results = flight.results.filter((_, at) => {
      const { isOurs = false, leaves } = said[at] ?? {};
      // What stands behind a failure was not run, COMMIT as little as the rest.
      if (leaves) this.#enter(leaves.savepoint);
      return !isOurs;
    });
    return { ...flight, results };
  }

  /** Autocommit: what fails must not fail the outer transaction. */
  async #sendAlone(
    statements: readonly Statement[],
    listeners: FlightListeners | undefined,
  ): Promise<FlightResult> {
    const { connection, newName } = this.#outer;
    const name = newName();
    const flight = await connection.send([
      command(`savepoint ${name}`),
      ...statements,
      command(`release savepoint ${name}`),
    ], listeners);
    const results = flight.results.slice(1, 1 + statements.length);
    if (flight.failure === undefined) return { results };
    await connection.send([
      command(`rollback to savepoint ${name}`),
      command(`release savepoint ${name}`),
    ]);
    return { results, failure: flight.failure };
  }

  /** The statements as they are said inside a transaction, and what goes with them. */
  #inside(statements: readonly Statement[]): readonly Said[] {
    let savepoint = this.#savepoint;
    return statements.flatMap((statement): readonly Said[] => {
      if (savepoint === undefined) {
        savepoint = this.#outer.newName();
        const begin = command(`savepoint ${savepoint}`);
        return [{ statement: begin, leaves: { savepoint } }];
      }
      if (!ends(statement)) return [{ statement }];
      const release = command(`release savepoint ${savepoint}`);
      const leaves = { savepoint: undefined };
      if (!undoes(statement)) {
        return [...this.#restoredSettings(), { statement: release, leaves }];
      }
      const undo = command(`rollback to savepoint ${savepoint}`);
      // Kept, it would hide one of that name in a test around this one.
      return [{ statement: undo, leaves }, {
        statement: release,
        isOurs: true,
      }];
    });
  }

  #enter(savepoint: string | undefined): void {
    this.#savepoint = savepoint;
    if (savepoint === undefined) this.#settings.clear();
  }

  /**
   * Asks what settings are before they are set. It cannot be in their flight,
   * where COMMIT may be as well, which has to put them back.
   */
  async #remember(
    statements: readonly Statement[],
  ): Promise<FlightResult | undefined> {
    const names = statements.flatMap(settingNames)
      .filter((name) => !this.#settings.has(name));
    if (names.length === 0) return undefined;
    const { results, failure } = await this.#inTurn(() =>
      this.#outer.connection.send([currentSettings(names)])
    );
    for (const row of results[0]?.rows ?? []) {
      if (!Array.isArray(row)) continue;
      const [name, value] = row;
      this.#settings.set(name, value ?? "");
    }
    return failure === undefined ? undefined : { results: [], failure };
  }

  /**
   * A real COMMIT ends what `set_config(.., true)` has set; RELEASE keeps it,
   * and the next session would have the rights of this one.
   */
  #restoredSettings(): readonly Said[] {
    if (this.#settings.size === 0) return [];
    const statement = settingsStatement(Object.fromEntries(this.#settings));
    return [{ statement, isOurs: true }];
  }
}

/** One statement of a flight; ours have no result for the session. */
interface Said {
  readonly statement: Statement;
  readonly isOurs?: boolean;
  /** Which savepoint is open when it has succeeded. */
  readonly leaves?: { readonly savepoint: string | undefined };
}

/** A ROLLBACK where nothing is open, which PostgreSQL answers as well. */
const ANSWERED: FlightResult = {
  results: [{ rows: [], command: "ROLLBACK", rowCount: null, fields: [] }],
};

function givenBackError(): ConnectionError {
  return new ConnectionError(
    "CONNECTION_LOST",
    "Cannot execute: the connection was given back before it was the statement's turn",
    { maybeExecuted: false },
  );
}

function unansweredError(): ConnectionError {
  return new ConnectionError(
    "CONNECTION_LOST",
    `Cannot go on: a statement of this test was given up and has not ended for ${PATIENCE} ms, so the connection of the test is closed`,
    { maybeExecuted: true },
  );
}

function settingNames({ text, params }: Statement): readonly string[] {
  if (!text.startsWith("select set_config($1, $2, true)")) return [];
  return params.filter((_, at) => at % 2 === 0).map(String);
}

function currentSettings(names: readonly string[]): Statement {
  return {
    text: `select n, current_setting(n, true) from unnest(array[${
      names.map((_, at) => `$${at + 1}::text`).join(", ")
    }]) as n`,
    params: names,
    rowMode: "array",
    access: "read",
  };
}

/**
 * Cuts a flight where a transaction begins or has ended. A BEGIN inside of one
 * is left to the server, which warns of it.
 */
function partsOf(
  statements: readonly Statement[],
  wasOpen: boolean,
): readonly (readonly Statement[])[] {
  const parts: Statement[][] = [];
  let isOpen = wasOpen;
  let hasEnded = true;
  for (const statement of statements) {
    const isEnd = ends(statement);
    const isCut = !isOpen && (isEnd || begins(statement));
    if (hasEnded || isCut) parts.push([]);
    parts.at(-1)?.push(statement);
    isOpen = !isEnd && (isOpen || begins(statement));
    hasEnded = isEnd;
  }
  return parts;
}

function begins({ text }: Statement): boolean {
  return beginsTransaction(text);
}

function ends({ text }: Statement): boolean {
  return endsTransaction(text);
}

function undoes({ text }: Statement): boolean {
  return /^(?:rollback|abort)\b/i.test(statementStart(text));
}
