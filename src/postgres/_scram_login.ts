import { setImmediate } from "node:timers";
import type { WireClient } from "../wire/client.ts";
import type { Login } from "../wire/login.ts";
import { gather, type GatheringStream } from "./_gather.ts";
import type { Ahead, LoginMemory } from "./_login_memory.ts";
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

/** Whether something is said that has its place. */
function isInTurn(event: string, message?: LoginMessage): boolean {
  return message?.name !== undefined && !ASIDES.has(event);
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
  readonly #ahead: Ahead;
  readonly #emit: LoginConnection["emit"];
  readonly #nonce = makeNonce();
  /** Whether the first message is on its way. */
  #hasBegun = false;
  #proof: Proof | undefined;
  #isServerProven = false;
  #hasFailed = false;
  #isDone = false;
  #wasTooEarly = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param client Of `pg`, not connected yet.
   * @param memory What earlier logins have learned.
   */
  constructor(client: WireClient, memory: LoginMemory) {
    this.#client = client;
    // `WireClient` has what all clients have.
    this.#connection = client.connection as unknown as LoginConnection;
    this.#memory = memory;
    this.#ahead = memory.take();
    this.#emit = this.#connection.emit;
  }

  get isDone(): boolean {
    return this.#isDone;
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

  #hear(event: string, message?: LoginMessage): boolean {
    if (this.#isDone) return this.#hearOfSync(event, message);
    switch (event) {
      case "connect":
        // With TLS there is more to come.
        return this.#connection.ssl
          ? this.#tell(event, message)
          : this.#start(event);
      case "sslconnect":
        return this.#start(event);
      case "errorMessage":
        this.#hearRefusal(message?.code ?? "");
        return this.#tell(event, message);
      case "error":
      case "end":
        this.#hearEnd();
        return this.#tell(event, message);
    }
    // Of a server that is not the right one nothing is believed.
    return this.#hasFailed || this.#hearServer(event, message);
  }

  #hearServer(event: string, message?: LoginMessage): boolean {
    switch (event) {
      case "authenticationSASL":
        if (!message?.mechanisms?.includes(SCRAM)) break;
        if (!this.#hasBegun) this.#sendFirst();
        return true;
      case "authenticationSASLContinue":
        this.#answer(message?.data ?? "");
        return true;
      case "authenticationSASLFinal":
        this.#isServerProven = message?.data === this.#proof?.expected;
        return this.#isServerProven || this.#fail(notProven());
      case "readyForQuery":
        if (this.#hasBegun && !this.#isServerProven) break;
        return this.#finish(message);
    }
    const isEarned = !this.#hasBegun || this.#isServerProven;
    if (isEarned || !isInTurn(event, message)) {
      return this.#tell(event, message);
    }
    // It does not know yet what was said early, and would take it for a password.
    if (this.#proof === undefined && this.#isFast) return this.#failEarly();
    return this.#fail(notProven());
  }

  #tell(event: string, message?: LoginMessage | Error): boolean {
    return this.#emit.call(this.#connection, event, message);
  }

  /** The client sends its start-up, now. */
  #start(event: string): boolean {
    if (!this.#isFast) return this.#tell(event);
    const send = gather(this.#connection.stream);
    this.#tell(event);
    this.#sendFirst();
    send();
    if (this.#ahead === "trial") {
      this.#deadline = setTimeout(() => this.#failEarly(), TRIAL_DEADLINE);
    }
    return true;
  }

  get #isFast(): boolean {
    return this.#ahead === "trial" || this.#ahead === "all";
  }

  #sendFirst(): void {
    this.#hasBegun = true;
    this.#connection.sendSASLInitialResponseMessage(
      SCRAM,
      firstMessage(this.#nonce),
    );
  }

  #answer(data: string): void {
    clearTimeout(this.#deadline);
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
    if (this.#hasFailed) return;
    this.#proof = proof;
    const send = gather(this.#connection.stream);
    this.#connection.sendSCRAMClientFinalMessage(proof.message);
    if (this.#isFast) {
      // It has read what came early.
      this.#memory.learn("all");
      // So that the client sends the first flight, in this turn of the loop.
      this.#tell("readyForQuery", { status: "I" });
      setImmediate(send);
      return;
    }
    if (this.#ahead === "sync") this.#connection.sync();
    send();
  }

  /** The server is ready. */
  #finish(message?: LoginMessage): boolean {
    this.#isDone = true;
    const waitsForSync = this.#ahead === "sync" && this.#proof !== undefined;
    if (!waitsForSync) this.#leave();
    // That of a fast login has heard so.
    return this.#isFast || this.#tell("readyForQuery", message);
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
    if (!isInTurn(event, message)) return this.#tell(event, message);
    this.#leave();
    if (event !== "readyForQuery") return this.#tell(event, message);
    this.#memory.learn("trial");
    return true;
  }

  /** The server lets nobody in, or not this one. */
  #hearRefusal(code: string): void {
    // Of the protocol's errors what came early may be the cause.
    if (code.startsWith("08")) return this.#hearEnd();
    this.#hasFailed = true;
    this.#giveBack();
  }

  #hearEnd(): void {
    clearTimeout(this.#deadline);
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    if (!this.#hasBegun) return this.#giveBack();
    const isTrial = this.#ahead === "trial" && this.#proof === undefined;
    const isSync = this.#ahead === "sync" && this.#proof !== undefined;
    this.#wasTooEarly = isTrial || isSync;
  }

  /** Nothing was found out, so that the next one may. */
  #giveBack(): void {
    const isTrying = this.#ahead === "sync" || this.#ahead === "trial";
    if (isTrying) this.#memory.learn(this.#ahead);
  }

  #failEarly(): true {
    this.#wasTooEarly = true;
    this.#memory.learn("nothing");
    return this.#fail(new Error("the server has not read what came early"));
  }

  #fail(error: Error): true {
    clearTimeout(this.#deadline);
    this.#hasFailed = true;
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
