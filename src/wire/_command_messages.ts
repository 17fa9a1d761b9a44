import type { Statement } from "../driver/statement.ts";
import type { ClientConnection } from "./client.ts";
import { writeStatement } from "./frontend.ts";
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
    // Values of what has rows may be encoded anew for everybody who asks.
    if (statement.rowMode !== "none" || statement.params.length > 0) {
      return writeStatement(statement, connection);
    }
    const { text } = statement;
    let bytes = this.#written.get(text);
    if (bytes === undefined) {
      bytes = bytesOf(statement, connection);
      if (this.#written.size < KEPT) this.#written.set(text, bytes);
    }
    connection.stream.write(bytes);
  }
}

/** What a client sends. */
function bytesOf(
  command: Statement,
  connection: ClientConnection,
): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  const whole = new Pieces((all) => bytes = all, Infinity);
  whole.gather(connection, () => writeStatement(command, connection));
  return bytes;
}
