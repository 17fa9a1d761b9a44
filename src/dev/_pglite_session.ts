import { Buffer } from "node:buffer";
import { MessageBuffer } from "./_message_buffer.ts";
import {
  authenticationOk,
  backendKeyData,
  parameterStatus,
  readyForQuery,
  simpleQuery,
  sync,
} from "./_messages.ts";
import { withoutCopyIn } from "./_pglite_copy.ts";
import type { PGliteClient, PGliteLease, Release } from "./_pglite_lease.ts";

/** Where the answers of a session go. */
export interface SessionOutput {
  send(bytes: Uint8Array): void;
  /** Called once, when the client has said goodbye or PGlite is broken. */
  end(): void;
}

/** Messages after which PostgreSQL answers: Sync, Query, Flush, call, COPY. */
const ANSWERED = "SQHFcf";

/**
 * PostgreSQL's side of one connection, on a PGlite instance that others use as
 * well: it holds the lease from the first message of a transaction to the last.
 */
export class PGliteSession implements PGliteClient {
  readonly #lease: PGliteLease;
  readonly #parameters: ReadonlyMap<string, string>;
  readonly #output: SessionOutput;
  readonly #input = new MessageBuffer();
  #unit: Uint8Array[] = [];
  #isStarted = false;
  #isOver = false;
  #isRunning = false;
  #running: Promise<void> | undefined;
  #release: Release | undefined;

  /**
   * @param lease Lends PGlite.
   * @param parameters What to report at the start.
   * @param output Where answers go.
   */
  constructor(
    lease: PGliteLease,
    parameters: ReadonlyMap<string, string>,
    output: SessionOutput,
  ) {
    this.#lease = lease;
    this.#parameters = parameters;
    this.#output = output;
    lease.join(this);
  }

  /** Takes bytes from the client. */
  receive(bytes: Uint8Array): void {
    this.#input.append(bytes);
    if (!this.#isStarted) this.#start();
    if (!this.#isStarted) return;
    if (!this.#isRunning) this.#running = this.#run();
  }

  /** Delivers another client's notification. */
  notify(message: Uint8Array): void {
    if (this.#isStarted && !this.#isOver) this.#output.send(message);
  }

  /** Ends the session: an open transaction is rolled back. */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#running;
    try {
      if (this.#release !== undefined) {
        await this.#lease.execute(sync());
        await this.#lease.execute(simpleQuery("ROLLBACK"));
      }
    } finally {
      this.#release?.();
      this.#release = undefined;
    }
    await this.#lease.leave(this);
  }

  #start(): void {
    const packet = this.#input.takeStartUp();
    if (packet?.kind !== "start") return;
    this.#isStarted = true;
    this.#output.send(Buffer.concat([
      authenticationOk(),
      ...Array.from(this.#parameters, ([k, v]) => parameterStatus(k, v)),
      backendKeyData(1, 1),
      readyForQuery(),
    ]));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      for (;;) {
        const message = this.#input.takeMessage();
        if (message === undefined || this.#isOver) return;
        if (message.type === "X") return this.#output.end();
        this.#unit.push(withoutCopyIn(message));
        if (ANSWERED.includes(message.type)) await this.#execute();
      }
    } catch {
      this.#output.end();
    } finally {
      // In the turn in which no message was left: the next one starts anew.
      this.#isRunning = false;
    }
  }

  async #execute(): Promise<void> {
    const unit = Buffer.concat(this.#unit);
    this.#unit = [];
    this.#release ??= await this.#lease.acquire();
    if (this.#isOver) return;
    const answers = await this.#lease.execute(unit);
    this.#output.send(answers);
    if (readAnswers(answers, (bytes) => this.#lease.broadcast(bytes, this))) {
      this.#release();
      this.#release = undefined;
    }
  }
}

/** Whether the answers end outside a transaction, with nothing left to say. */
function readAnswers(
  answers: Uint8Array,
  notification: (bytes: Uint8Array) => void,
): boolean {
  const view = new DataView(
    answers.buffer,
    answers.byteOffset,
    answers.byteLength,
  );
  let isIdle = false;
  for (let at = 0; at + 5 <= answers.length;) {
    const length = view.getUint32(at + 1) + 1;
    const type = String.fromCharCode(view.getUint8(at));
    if (type === "A") notification(answers.subarray(at, at + length));
    isIdle = type === "Z" && view.getUint8(at + 5) === IDLE;
    at += length;
  }
  return isIdle;
}

const IDLE = "I".charCodeAt(0);
