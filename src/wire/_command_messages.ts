import type { Statement } from "../driver/statement.ts";
import type { ClientConnection } from "./client.ts";
import { joinChunks, type SentStatement, writeStatement } from "./frontend.ts";
import { Pieces } from "./_pieces.ts";

/** Texts that are kept; those of an application are a handful. */
const KEPT = 100;

/**
 * The messages of `begin`, `commit` and whatever else has neither parameters nor
 * rows, as a client has written them the first time: of a lone read they are two
 * thirds of all that is written.
 *
 * Those of one driver: its clients write alike.
 */
export class CommandMessages {
  readonly #written = new Map<string, Uint8Array>();

  /**
   * Writes a statement.
   *
   * @param statement What is sent.
   * @param connection Where it goes.
   */
  write(statement: Statement, connection: ClientConnection): void {
    const { rowMode } = statement;
    // Some make their text, or their values, anew for everybody who asks.
    if (rowMode !== "none") return writeStatement(statement, connection);
    const { text, params } = statement;
    const command = { text, rowMode, params };
    if (params.length > 0) return writeStatement(command, connection);
    const known = this.#written.get(text);
    if (known !== undefined) return void connection.stream.write(known);
    const bytes = bytesOf(command, connection);
    if (this.#written.size < KEPT) this.#written.set(text, bytes);
    connection.stream.write(bytes);
  }
}

/** What a client sends. */
function bytesOf(
  statement: SentStatement,
  connection: ClientConnection,
): Uint8Array {
  const { stream } = connection;
  const sent: Uint8Array[] = [];
  const whole = new Pieces((bytes) => sent.push(bytes), Infinity);
  connection.stream = whole;
  try {
    writeStatement(statement, connection);
    whole.end();
  } finally {
    connection.stream = stream;
  }
  return joinChunks(sent);
}
