import type { Connection } from "../driver/connection.ts";
import { orGivenUp } from "../driver/give_up.ts";
import { inThisRequest } from "../driver/in_this_request.ts";
import { isWorkerd } from "../driver/is_workerd.ts";
import type { FlightResult, Result, Statement } from "../driver/statement.ts";
import { endsConnection, isServerError } from "../errors/wrap_driver_error.ts";
import type { WireClient } from "./client.ts";
import type { CommandMessages } from "./_command_messages.ts";
import { FlightReader } from "./flight_reader.ts";
import { FlightSubmittable } from "./flight_submittable.ts";
import type { Login } from "./login.ts";
import { RequestGuard } from "./request_guard.ts";
import type { TypeParser } from "./type_parsers.ts";

/**
 * Milliseconds that a server has to hear the goodbye, and to end the
 * connection. Where the network has gone silent nobody ever says that neither
 * has happened.
 */
const FAREWELL_DEADLINE = 2_000;

/** Milliseconds that a word of the server is awaited, after each cancel request. */
const CANCEL_PAUSES = [50, 150, 500];

const IS_HEARD = true;

/** How a connection reads and writes. */
export interface WireFormat {
  /** The parser for a type OID. */
  readonly parserOf: (oid: number) => TypeParser;
  /**
   * Bytes that are sent at once. A WebSocket sends a whole flight as one frame:
   * of the pieces each would wait for the answer to the one before.
   */
  readonly pieceSize: number;
  /**
   * Whether the statements of a flight go out before an answer is awaited; some
   * proxies cannot.
   *
   * @default {true}
   */
  readonly pipeline?: boolean | undefined;
}

/** What a connection is made of, besides its client. */
export interface ConnectionParts {
  readonly wire: WireFormat;
  readonly commands: CommandMessages;
  readonly login: Login;
  readonly cancel: () => Promise<void>;
}

/** A connection over a client of `pg` or Neon. */
export class WireConnection implements Connection {
  readonly #client: WireClient;
  readonly #wire: WireFormat;
  readonly #commands: CommandMessages;
  readonly #login: Login;
  readonly #cancel: () => Promise<void>;
  readonly #guard = new RequestGuard();
  /** Ends the flight that is in the air. */
  #endFlight: ((failure: Error) => void) | undefined;
  #lost: { readonly error: unknown } | undefined;
  #closed: Promise<void> | undefined;
  /** Told of bytes that arrive, while a flight is in the air. */
  #onProgress: (() => void) | undefined;
  #isListening = false;
  /** Closes it from another request. */
  #askToClose = () => {};

  /**
   * Takes over a client. It must be handed in before `connect()` was called:
   * an error without a listener would end the whole process.
   *
   * @param client The client, not connected yet.
   * @param parts How it reads and writes, what its driver remembers of that, how
   * it logs in, and what asks the server to stop what the client runs.
   */
  constructor(
    client: WireClient,
    { wire, commands, login, cancel }: ConnectionParts,
  ) {
    this.#client = client;
    this.#wire = wire;
    this.#commands = commands;
    this.#login = login;
    this.#cancel = cancel;
    client.on("error", (error) => this.#lose(error));
    client.on("end", () => this.#lose(undefined));
    if (isWorkerd()) {
      this.#askToClose = inThisRequest(() => {
        this.#close().catch(() => {});
      });
    }
  }

  /** Opens it, so far that the first flight may be sent. */
  connect(): Promise<unknown> {
    return this.#login.connect();
  }

  /** Whether it can carry another flight. */
  get usable(): boolean {
    return this.#lost === undefined && this.#closed === undefined;
  }

  /** Whether the server has let it in, and not only been asked. */
  get isLoggedIn(): boolean {
    return this.#login.isDone;
  }

  /** Sends statements as one flight, or one by one where that must be. */
  async send(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult> {
    if (this.#wire.pipeline ?? true) {
      return await this.#send(statements, onProgress);
    }
    const results: Result[] = [];
    for (const statement of statements) {
      const flight = await this.#send([statement], onProgress);
      results.push(...flight.results);
      if ("failure" in flight) return { ...flight, results };
    }
    return { results };
  }

  #send(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult> {
    if (!this.usable) {
      const failure = this.#lost?.error ?? new Error("connection closed");
      return Promise.resolve({ results: [], failure, isUnsent: true });
    }
    const refusal = this.#guard.refusal();
    if (refusal !== undefined) {
      this.#lose(refusal);
      return Promise.resolve({ results: [], failure: refusal });
    }
    this.#listen();
    this.#onProgress = onProgress;
    return new Promise((resolve) => {
      const reader = new FlightReader(statements, this.#wire.parserOf);
      const done = (answer: FlightResult, isOutOfStep = false) => {
        this.#endFlight = undefined;
        this.#onProgress = undefined;
        const isShort = !("failure" in answer) &&
          answer.results.length !== statements.length;
        const result = isShort ? shortAnswer() : answer;
        const { failure } = result;
        // What the server says before it is ready is about the login.
        const isLoginRefused = !this.isLoggedIn && isServerError(failure);
        if (
          isOutOfStep || isShort || isLoginRefused || endsConnection(failure)
        ) {
          this.#lose(failure);
        }
        resolve(isLoginRefused ? { ...result, isLoginRefused } : result);
      };
      const endFlight = (failure: Error) => {
        reader.fail(failure);
        done(reader.end());
      };
      this.#endFlight = endFlight;
      this.#client.query(
        new FlightSubmittable(statements, {
          reader,
          commands: this.#commands,
          pieceSize: this.#wire.pieceSize,
          done,
        }),
      );
    });
  }

  /**
   * Hears of bytes and not of rows: a row may take long to arrive, and counting
   * rows would cost each of them. Before a login TLS may replace the stream.
   */
  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    const { stream } = this.#client.connection;
    stream.on?.("data", () => this.#onProgress?.());
  }

  /**
   * Says goodbye; a running flight fails at once, and the server is asked to
   * stop it: it would work on, and hold its locks, for nobody.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // Another request's socket cannot even be closed from here: it closes it,
    // as what waits for its own promises runs there. Nobody waits for that.
    if (this.#guard.refusal() !== undefined) return this.#askToClose();
    if (this.#endFlight !== undefined) {
      const failure = new Error("connection closed");
      this.#lose(failure);
      this.#endFlight(failure);
      await this.#stopRunning();
    }
    const { stream } = this.#client.connection;
    const ending = this.#client.end().then(() => true, () => false);
    // Of a connection that has ended Neon's client would wait for the end.
    if (this.#lost !== undefined) return void stream.destroy();
    // A Worker's task may end before the server does, and nobody would ever hear
    // of that; the runtime ends its sockets with it, and no WebSocket.
    if (isWorkerd() && !stream.ws) return;
    if (await isHeard(ending)) return;
    stream.destroy();
    stream.ws?.terminate?.();
  }

  /**
   * Asks the server to stop what runs, until it says something: a cancel
   * request that was there ahead of the statement has stopped nothing, and what
   * has a connection no more would run to its end, with its locks.
   */
  async #stopRunning(): Promise<void> {
    let onWord = () => {};
    this.#client.connection.stream.on?.("data", () => onWord());
    const nextWord = () =>
      new Promise<boolean>((resolve) => {
        onWord = () => resolve(IS_HEARD);
      });
    const start = performance.now();
    // Which process runs it, and by what it can be stopped, the server says at
    // the end of a login.
    while (!this.isLoggedIn) {
      if (performance.now() > start + FAREWELL_DEADLINE) return;
      if (!await isHeard(nextWord())) return;
    }
    for (const pause of CANCEL_PAUSES) {
      const word = nextWord();
      await this.#cancel();
      // Where nobody answers at all, another one is in vain.
      if (performance.now() > start + FAREWELL_DEADLINE) return;
      if (await isHeard(word, pause)) return;
    }
  }

  #lose(error: unknown): void {
    this.#lost ??= { error };
  }
}

/** Nobody knows which answer is missing, so none of them is believed. */
function shortAnswer(): FlightResult {
  return { results: [], failure: new Error("the answer is incomplete") };
}

/** Whether something was answered in time. */
async function isHeard(
  answer: Promise<boolean>,
  timeout = FAREWELL_DEADLINE,
): Promise<boolean> {
  try {
    return await orGivenUp(answer, { timeout });
  } catch {
    return false;
  }
}
