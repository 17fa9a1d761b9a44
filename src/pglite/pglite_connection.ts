import { protocol } from "@electric-sql/pglite";
import types from "pg-types";
import type { Connection } from "../driver/connection.ts";
import {
  command,
  type Field,
  type FlightResult,
  type Statement,
} from "../driver/statement.ts";
import { FlightReader } from "../wire/flight_reader.ts";
import { joinChunks, writeFlight } from "../wire/frontend.ts";
import { typeParsers } from "../wire/type_parsers.ts";

/** One answer of the backend, as PGlite's parser gives it. */
interface BackendMessage {
  readonly name: string;
}

/** The part of a PGlite instance that is used. */
export interface PGliteInstance {
  /** Sends protocol bytes and returns the parsed answers. */
  execProtocolStream(
    message: Uint8Array,
    options: { throwOnError: false },
  ): Promise<readonly { readonly name: string }[]>;
  /** Whether a transaction is open. */
  isInTransaction(): boolean;
  /** Ends the database. */
  close(): Promise<void>;
}

const parserOf = typeParsers(types);

/**
 * The only connection that a PGlite instance has.
 *
 * A flight is one call into the database: the same protocol messages as over
 * a socket, so parameters, types and failures behave alike.
 */
export class PGliteConnection implements Connection {
  readonly #database: PGliteInstance;
  readonly #onFailure: () => void;
  #closed = false;

  /**
   * @param database A started instance.
   * @param onFailure Called when it cannot be used any more.
   */
  constructor(database: PGliteInstance, onFailure: () => void) {
    this.#database = database;
    this.#onFailure = onFailure;
  }

  /** Whether it can carry another flight. */
  get usable(): boolean {
    return !this.#closed;
  }

  /** Sends statements as one flight. */
  async send(statements: readonly Statement[]): Promise<FlightResult> {
    const reader = new FlightReader(statements, parserOf);
    if (this.#closed) {
      const failure = new Error("connection closed");
      return { results: [], failure, isUnsent: true };
    }
    try {
      for (const message of await this.#exchange(statements)) {
        readMessage(reader, message);
      }
    } catch (error) {
      // The database itself failed (it was closed, or ran out of memory).
      this.#closed = true;
      reader.fail(error);
    }
    return reader.end();
  }

  /** Rolls back what is open; the instance belongs to the driver. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#database.isInTransaction()) return;
    await this.#exchange([
      command("rollback"),
    ]).catch(() => {});
  }

  async #exchange(
    statements: readonly Statement[],
  ): Promise<readonly BackendMessage[]> {
    const chunks: Uint8Array[] = [];
    const { serialize } = protocol;
    writeFlight(statements, {
      parse: (message) => chunks.push(serialize.parse(message)),
      bind: ({ values }) =>
        chunks.push(serialize.bind({ values: [...values] })),
      describe: (message) => chunks.push(serialize.describe(message)),
      execute: () => chunks.push(serialize.execute({})),
      sync: () => chunks.push(serialize.sync()),
    });
    try {
      return await this.#database.execProtocolStream(joinChunks(chunks), {
        throwOnError: false,
      });
    } catch (error) {
      this.#onFailure();
      throw error;
    }
  }
}

function readMessage(reader: FlightReader, message: BackendMessage): void {
  if (isRowDescription(message)) reader.rowDescription(message.fields);
  else if (isDataRow(message)) reader.dataRow(message.fields);
  else if (isCommandComplete(message)) reader.commandComplete(message.text);
  else if (message.name === "emptyQuery") reader.complete("", null);
  else if (message.name === "error") reader.fail(message);
}

function isRowDescription(
  message: BackendMessage,
): message is BackendMessage & { fields: Field[] } {
  return message.name === "rowDescription";
}

function isDataRow(
  message: BackendMessage,
): message is BackendMessage & { fields: (string | null)[] } {
  return message.name === "dataRow";
}

function isCommandComplete(
  message: BackendMessage,
): message is BackendMessage & { text: string } {
  return message.name === "commandComplete";
}
