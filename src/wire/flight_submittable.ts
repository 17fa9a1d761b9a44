import type { FlightResult, Statement } from "../driver/statement.ts";
import type { ClientConnection, Submittable } from "./client.ts";
import type { CommandMessages } from "./_command_messages.ts";
import type { FlightReader } from "./flight_reader.ts";
import { writeFlight } from "./frontend.ts";
import { Pieces } from "./_pieces.ts";

/**
 * A flight as `pg` and Neon's client accept it: an object that writes its own
 * protocol messages, so that n statements need one round trip.
 *
 * The client drops a submittable at its first error, which fits one Sync per
 * flight: PostgreSQL skips the rest as well.
 */
export class FlightSubmittable implements Submittable {
  readonly #statements: readonly Statement[];
  readonly #reader: FlightReader;
  readonly #commands: CommandMessages;
  readonly #pieceSize: number;
  readonly #done: (result: FlightResult, isOutOfStep: boolean) => void;
  #isOutOfStep = false;

  /**
   * @param statements What is sent.
   * @param parts What reads the answers, what remembers commands, how many bytes
   * are sent at once, and what is called when the last answer is in.
   */
  constructor(
    statements: readonly Statement[],
    { reader, commands, pieceSize, done }: {
      readonly reader: FlightReader;
      readonly commands: CommandMessages;
      readonly pieceSize: number;
      readonly done: (result: FlightResult, isOutOfStep: boolean) => void;
    },
  ) {
    this.#statements = statements;
    this.#reader = reader;
    this.#commands = commands;
    this.#pieceSize = pieceSize;
    this.#done = done;
  }

  /** Unused: answers arrive through the handlers. */
  callback(): void {}

  /** Writes the whole flight, as one packet or frame unless it is long. */
  submit(connection: ClientConnection): null {
    const { stream } = connection;
    const pieces = new Pieces((bytes) => stream.write(bytes), this.#pieceSize);
    pieces.gather(connection, () =>
      writeFlight(
        this.#statements,
        connection,
        (statement) => this.#commands.write(statement, connection),
      ));
    return null;
  }

  handleRowDescription(
    message: Parameters<Submittable["handleRowDescription"]>[0],
  ): void {
    this.#reader.rowDescription(message.fields);
  }

  handleDataRow(message: Parameters<Submittable["handleDataRow"]>[0]): void {
    this.#reader.dataRow(message.fields);
  }

  handleCommandComplete(
    message: Parameters<Submittable["handleCommandComplete"]>[0],
  ): void {
    this.#reader.commandComplete(message.text);
  }

  handleEmptyQuery(): void {
    this.#reader.complete("", null);
  }

  /** Never sent: execute has no row limit here. */
  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: ClientConnection): void {
    // Only for what `writeFlight` did not recognise: the server reads the rest
    // of the flight as data, so nobody can tell which Sync it will answer.
    this.#isOutOfStep = true;
    connection.stream.destroy();
    this.handleError(new Error("COPY FROM STDIN is not supported"));
  }

  handleCopyData(): void {}

  handleError(error: unknown): void {
    this.#reader.fail(error);
    this.#done(this.#reader.end(), this.#isOutOfStep);
  }

  handleReadyForQuery(): void {
    this.#done(this.#reader.end(), this.#isOutOfStep);
  }
}
