import { setImmediate } from "node:timers";
import type { WireClient } from "../wire/client.ts";
import type { Login } from "../wire/login.ts";
import { gather, type GatheringStream } from "./_gather.ts";
import type { Early, LoginMemory } from "./_login_memory.ts";
import {
  firstMessage,
  makeNonce,
  type Proof,
  prove,
  readChallenge,
  SCRAM,
  type ScramKeys,
} from "./_scram.ts";

/**
 * Milliseconds that a server has to answer what came early, the first time: one
 * that has thrown it away would wait for ever.
 */
const TRIAL_DEADLINE = 1_000;
/** The same where connects may take for ever. */
const PATIENCE = 10_000;

/** The connection inside a client of `pg`, as far as a login needs it. */
interface LoginConnection {
  readonly stream: GatheringStream & { destroy(): unknown };
  readonly ssl: unknown;
  /** Tells the client what has happened, or what the server says. */
  emit: (event: string, message?: LoginMessage | Error) => boolean;
  sendSASLInitialResponseMessage(mechanism: string, message: string): unknown;
  sendSCRAMClientFinalMessage(message: string): unknown;
  sync(): unknown;
}

/** What comes with an event; what the server says has a name. */
interface LoginMessage {
  readonly name?: string;
  readonly mechanisms?: readonly string[];
  readonly data?: string;
  readonly code?: string;
  readonly status?: string;
}

/** What a server may say between any two messages. */
const ASIDES: ReadonlySet<string> = new Set([
  "notice",
  "notification",
  "parameterStatus",
]);

/** Whether it is a message of the server that answers one of ours. */
function isAnswer(event: string, message?: LoginMessage): boolean {
  return message?.name !== undefined && !ASIDES.has(event);
}

/**
 * How far a login is: the connection opens, or the server has not asked for
 * SCRAM; our first message is sent; its challenge has come; our last message is
 * sent; it has proved itself; it is ready.
 */
type State =
  | "opening"
  | "begun"
  | "challenged"
  | "answered"
  | "proven"
  | "done"
  | "failed";

/** What a login needs besides its client. */
export interface LoginParts {
  /** What earlier ones have learned. */
  readonly memory: LoginMemory;
  /** What this one says early. */
  readonly early: Early;
  /** Milliseconds that a connect may take; 0 is for ever. */
  readonly connectTimeout: number;
}

/**
 * A login of a client of `pg` by SCRAM-SHA-256 that waits for the network as
 * little as the protocol allows: its first message goes along with the
 * start-up, and the first flight with its last one. That is two round trips
 * less than `pg` takes, which also hashes the password some thousand times for
 * each connection.
 *
 * It stands between the client and its connection, and hears first what the
 * server says. What it does not know it leaves to the client, other ways to log
 * in among them.
 */
export class ScramLogin implements Login {
  readonly #client: WireClient;
  readonly #connection: LoginConnection;
  readonly #memory: LoginMemory;
  readonly #connectTimeout: number;
  readonly #emit: LoginConnection["emit"];
  readonly #nonce = makeNonce();
  #early: Early;
  #state: State = "opening";
  #proof: Proof | undefined;
  #wasTooEarly = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param client Of `pg`, not connected yet.
   * @param parts What else it needs.
   */
  constructor(
    client: WireClient,
    { memory, early, connectTimeout }: LoginParts,
  ) {
    this.#client = client;
    // `WireClient` has what all clients have.
    this.#connection = client.connection as unknown as LoginConnection;
    this.#memory = memory;
    this.#early = early;
    this.#connectTimeout = connectTimeout;
    this.#emit = this.#connection.emit;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  get wasTooEarly(): boolean {
    return this.#wasTooEarly;
  }

  connect(): Promise<unknown> {
    const hear: LoginConnection["emit"] = (event, message) =>
      this.#hear(event, message as LoginMessage);
    this.#connection.emit = hear;
    return this.#client.connect();
  }

  abandon(): void {
    if (this.#state === "failed") return;
    this.#setState("failed");
    this.#memory.giveBack(this.#early);
  }

  #hear(event: string, message?: LoginMessage): boolean {
    if (this.#state === "done") return this.#hearOfSync(event, message);
    if (event === "error" || event === "end") {
      this.#fall();
      return this.#tell(event, message);
    }
    // Of a server that is not the right one nothing is believed, and whom
    // nobody waits for any more, nobody logs in.
    if (this.#state === "failed") return true;
    // With TLS a socket that is open is not all.
    const isOpen = this.#connection.ssl ? "sslconnect" : "connect";
    return event === isOpen
      ? this.#start(event)
      : this.#hearServer(event, message);
  }

  #hearServer(event: string, message?: LoginMessage): boolean {
    const state = this.#state;
    const isFree = state === "opening" || state === "proven";
    switch (event) {
      case "errorMessage":
        this.#fall(message?.code);
        return this.#tell(event, message);
      case "authenticationSASL":
        if (!message?.mechanisms?.includes(SCRAM)) break;
        if (state === "opening") this.#sendFirst();
        else if (state !== "begun") break;
        return true;
      case "authenticationSASLContinue":
        if (state !== "begun") break;
        this.#answer(message?.data ?? "");
        return true;
      case "authenticationSASLFinal":
        if (state !== "answered") break;
        if (message?.data !== this.#proof?.expected) break;
        this.#setState("proven");
        return true;
      case "readyForQuery":
        if (isFree) return this.#finish(message);
    }
    if (isFree || !isAnswer(event, message)) return this.#tell(event, message);
    // It does not know what was said early, and would take it for a password.
    if (state === "begun" && this.#isFast) return this.#failEarly();
    return this.#fail(notProven());
  }

  #tell(event: string, message?: LoginMessage | Error): boolean {
    return this.#emit.call(this.#connection, event, message);
  }

  /** No state has the deadline of the one before it. */
  #setState(state: State): void {
    this.#state = state;
    clearTimeout(this.#deadline);
  }

  /** The client sends its start-up, now. */
  #start(event: string): boolean {
    if (!this.#isFast) return this.#tell(event);
    const send = gather(this.#connection.stream);
    this.#tell(event);
    this.#sendFirst();
    send();
    const half = (this.#connectTimeout || PATIENCE) / 2;
    const timeout = this.#early === "trial"
      ? Math.min(TRIAL_DEADLINE, half)
      : half;
    this.#deadline = setTimeout(() => this.#failEarly(), timeout);
    return true;
  }

  get #isFast(): boolean {
    return this.#early === "trial" || this.#early === "all";
  }

  #sendFirst(): void {
    this.#setState("begun");
    this.#connection.sendSASLInitialResponseMessage(
      SCRAM,
      firstMessage(this.#nonce),
    );
  }

  #answer(data: string): void {
    this.#setState("challenged");
    const { password } = this.#client;
    const challenge = password === ""
      ? noPassword()
      : readChallenge(data, this.#nonce);
    if (challenge instanceof Error) return void this.#fail(challenge);
    const send = (keys: ScramKeys) =>
      this.#sendLast(prove(challenge, this.#nonce, keys));
    const keys = this.#memory.keysFor(password, challenge);
    if (keys) return send(keys);
    this.#memory.makeKeys(password, challenge)
      .then(send).catch((error) => this.#fail(error));
  }

  #sendLast(proof: Proof): void {
    // It may have been given up meanwhile.
    if (this.#state !== "challenged") return;
    this.#setState("answered");
    this.#proof = proof;
    const send = gather(this.#connection.stream);
    this.#connection.sendSCRAMClientFinalMessage(proof.message);
    if (this.#isFast) return this.#sendAlong(send);
    if (this.#early === "sync") this.#connection.sync();
    send();
  }

  /** The first flight goes along. */
  #sendAlong(send: () => void): void {
    if (this.#early === "trial") {
      // What came early was read.
      this.#memory.learn("all");
      this.#early = "all";
    }
    const timeout = this.#connectTimeout;
    if (timeout > 0) {
      const fail = () => void this.#fail(unanswered(timeout));
      this.#deadline = setTimeout(fail, timeout);
    }
    // So that the client sends it, in this turn of the loop.
    this.#tell("readyForQuery", { status: "I" });
    setImmediate(send);
  }

  /** The server is ready. */
  #finish(message?: LoginMessage): boolean {
    const isSyncSent = this.#isSyncSent;
    this.#setState("done");
    if (!isSyncSent) this.#leave();
    if (this.#early === "nothing") this.#memory.convict();
    // It has not asked for SCRAM.
    if (this.#proof === undefined) this.#memory.giveBack(this.#early);
    // The client of a fast login has heard so.
    return this.#isFast || this.#tell("readyForQuery", message);
  }

  get #isSyncSent(): boolean {
    return this.#early === "sync" && this.#proof !== undefined;
  }

  /** What the client hears from now on is not the login's affair. */
  #leave(): void {
    this.#connection.emit = this.#emit;
  }

  /**
   * Whether the Sync was read, which had come before there was anything to
   * synchronize: then its answer is ahead of all others.
   */
  #hearOfSync(event: string, message?: LoginMessage): boolean {
    if (!isAnswer(event, message)) return this.#tell(event, message);
    this.#leave();
    if (event !== "readyForQuery") return this.#tell(event, message);
    this.#memory.learn("trial");
    return true;
  }

  /**
   * It has failed.
   *
   * @param refusal The SQLSTATE, if the server has said why.
   */
  #fall(refusal?: string): void {
    if (this.#state === "failed") return;
    const isEarly = this.#isFast ? this.#state === "begun" : this.#isSyncSent;
    this.#setState("failed");
    // Where it was known to work, a server that says why has its reasons, but
    // for those of the protocol (class 08).
    const isClear = this.#early === "all" && !/^(08|$)/.test(refusal ?? "");
    if (isEarly && !isClear) {
      this.#memory.doubt(this.#early);
      this.#wasTooEarly = this.#early !== "all";
    } else if (this.#early === "nothing") this.#memory.acquit();
    else this.#memory.giveBack(this.#early);
  }

  #failEarly(): true {
    this.#setState("failed");
    this.#memory.doubt(this.#early);
    this.#wasTooEarly = true;
    return this.#drop(new Error("the server has not read what came early"));
  }

  #fail(error: Error): true {
    this.#fall("");
    return this.#drop(error);
  }

  #drop(error: Error): true {
    this.#tell("error", error);
    this.#connection.stream.destroy();
    return true;
  }
}

function noPassword(): Error {
  return new Error("the server asks for a password, and the URL has none");
}

/** By its last message the server shows that it knows the password as well. */
function notProven(): Error {
  return new Error("the server has not proved that it knows the password");
}

function unanswered(timeout: number): Error {
  return new Error(`no answer to the login for ${timeout} ms`);
}
