import { Buffer } from "node:buffer";
import {
  type Backend,
  type Credentials,
  type Login,
  login,
  takeStream,
} from "./_backend.ts";
import { MessageBuffer, type StartUpPacket } from "./_message_buffer.ts";
import {
  authenticationCleartextPassword,
  authenticationOk,
  backendKeyData,
  type ErrorFields,
  errorFields,
  errorResponse,
  parameterStatus,
  readyForQuery,
} from "./_messages.ts";
import type { BackendStream } from "./_pg_client.ts";
import type { FaultSource, NeonFault } from "./neon_faults.ts";

/** The part of a WebSocket of `ws` that is used. */
export interface TunnelSocket {
  /** Bytes handed over but not yet sent. */
  readonly bufferedAmount: number;
  send(bytes: Uint8Array, done?: () => void): void;
  close(code?: number): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  on(
    event: "message",
    listener: (bytes: Uint8Array, isBinary: boolean) => void,
  ): unknown;
  on(event: "close" | "error", listener: () => void): unknown;
}

const HIGH_WATER_BYTES = 1 << 20;
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
/** The type of the message that ends an answer; five bytes follow it. */
const READY_FOR_QUERY = 0x5a;
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

/**
 * One client of Neon's WebSocket protocol: PostgreSQL's bytes in binary
 * frames. Asks for the password in clear text whatever the backend wants,
 * logs in there, then passes bytes both ways.
 */
export class WebSocketTunnel {
  readonly #socket: TunnelSocket;
  readonly #backend: Backend;
  readonly #input = new MessageBuffer();
  readonly #closing = new AbortController();
  #parameters: Map<string, string> | undefined;
  #login: Promise<void> | undefined;
  #connection: Login | undefined;
  #upstream: BackendStream | undefined;
  #saidGoodbye = false;
  readonly #faults: FaultSource;
  #forwarding: Promise<void> = Promise.resolve();
  /** Why the answer to come is lost, at least in part. */
  #cut: NeonFault | undefined;

  /** Resolves when the client and its connection to the backend are gone. */
  readonly closed: Promise<void>;

  /**
   * Starts to serve a client.
   *
   * @param socket An open WebSocket.
   * @param backend Where to log in.
   * @param faults Says what goes wrong.
   */
  constructor(socket: TunnelSocket, backend: Backend, faults: FaultSource) {
    this.#faults = faults;
    this.#socket = socket;
    this.#backend = backend;
    socket.on("message", (bytes, isBinary) => this.#receive(bytes, isBinary));
    socket.on("error", () => socket.terminate());
    this.closed = new Promise<void>((resolve) => socket.on("close", resolve))
      .then(() => this.#clientGone());
  }

  /** Asks the client to leave. */
  close(): void {
    this.#socket.close(GOING_AWAY);
  }

  /** Drops the client and its connection, and what runs on it. */
  async drop(): Promise<void> {
    this.#socket.terminate();
    await this.#dropUpstream();
  }

  #receive(bytes: Uint8Array, isBinary: boolean): void {
    if (!isBinary) return this.#socket.close(UNSUPPORTED_DATA);
    if (this.#upstream !== undefined) return this.#forward(bytes);
    this.#input.append(bytes);
    this.#advance();
  }

  /** Handles what came before the login; the rest waits in the buffer. */
  #advance(): void {
    while (this.#login === undefined && !this.#closing.signal.aborted) {
      if (this.#parameters === undefined) {
        const packet = this.#input.takeStartUp();
        if (packet === undefined) return;
        this.#startUp(packet);
      } else {
        const message = this.#input.takeMessage();
        if (message === undefined) return;
        if (message.type !== "p") return this.#refuse(PASSWORD_EXPECTED);
        const password = message.bytes.toString(
          "utf8",
          5,
          message.bytes.length - 1,
        );
        this.#logIn(credentials(this.#parameters, password));
      }
    }
  }

  #startUp(packet: StartUpPacket): void {
    switch (packet.kind) {
      case "encryption":
        return this.#socket.send(Buffer.from("N"));
      case "cancel":
        this.#closing.abort();
        this.#backend.cancel(packet.processId, packet.secretKey)
          .finally(() => this.#socket.close());
        return;
      case "invalid":
        return this.#refuse(INVALID_START_UP);
      case "start":
        if (!packet.parameters.get("user")) return this.#refuse(USER_EXPECTED);
        this.#parameters = packet.parameters;
        return this.#socket.send(authenticationCleartextPassword());
    }
  }

  #logIn(as: Credentials): void {
    this.#login = login(this.#backend, as, this.#closing.signal).then(
      (connection) => this.#open(connection),
      (error) => this.#refuse(loginFailure(error)),
    );
  }

  #open(connection: Login): void {
    const upstream = takeStream(connection);
    this.#connection = connection;
    this.#upstream = upstream;
    upstream.on("data", (bytes: Uint8Array) => this.#sendBack(bytes));
    upstream.on("close", () => {
      // A paused socket would not see that the client closes as well.
      this.#socket.resume();
      this.#socket.close();
    });
    upstream.on("drain", () => this.#socket.resume());
    this.#socket.send(welcome(connection));
    const pipelined = this.#input.takeRest();
    if (pipelined.length > 0) this.#forward(pipelined);
  }

  #forward(bytes: Uint8Array): void {
    if (this.#faults.isNone) return this.#pass(bytes);
    // One frame after the other, as they came.
    this.#forwarding = this.#forwarding.then(() => this.#passUnlucky(bytes));
  }

  async #passUnlucky(bytes: Uint8Array): Promise<void> {
    const text = () => Buffer.from(bytes).toString("latin1");
    const fault = await this.#faults.next("websocket", text);
    switch (fault?.kind) {
      case "stall":
        return;
      case "status":
        return await this.drop();
      case "drop":
        if (fault.when === "before") return await this.drop();
    }
    this.#cut = fault;
    this.#pass(bytes);
  }

  #pass(bytes: Uint8Array): void {
    this.#saidGoodbye = TERMINATE.equals(bytes.subarray(-TERMINATE.length));
    const upstream = this.#upstream;
    upstream?.write(bytes);
    if (upstream && upstream.writableLength >= HIGH_WATER_BYTES) {
      this.#socket.pause();
    }
  }

  #sendBack(bytes: Uint8Array): void {
    if (this.#cut !== undefined) return this.#sendPart(bytes, this.#cut);
    this.#socket.send(bytes, () => {
      if (this.#socket.bufferedAmount < HIGH_WATER_BYTES) {
        this.#upstream?.resume();
      }
    });
    if (this.#socket.bufferedAmount >= HIGH_WATER_BYTES) {
      this.#upstream?.pause();
    }
  }

  /** What was sent has been run when the answer is complete. */
  #sendPart(bytes: Uint8Array, { kind }: NeonFault): void {
    if (bytes.at(-6) !== READY_FOR_QUERY) return;
    if (kind === "truncate") {
      this.#socket.send(bytes.subarray(0, bytes.length >> 1));
    }
    this.#socket.terminate();
  }

  #refuse(fields: ErrorFields): void {
    this.#closing.abort();
    this.#socket.send(errorResponse(fields));
    this.#socket.close();
  }

  async #clientGone(): Promise<void> {
    this.#closing.abort();
    await this.#login;
    const upstream = this.#upstream;
    if (upstream === undefined || upstream.closed) return;
    const closed = new Promise<void>((resolve) =>
      upstream.on("close", resolve)
    );
    if (this.#saidGoodbye) upstream.end();
    else await this.#dropUpstream();
    await closed;
  }

  async #dropUpstream(): Promise<void> {
    const { processID, secretKey } = this.#connection?.client ?? {};
    // PostgreSQL does not look at the socket while it runs a statement.
    if (processID && secretKey) {
      await this.#backend.cancel(processID, secretKey);
    }
    this.#upstream?.destroy();
  }
}

const PASSWORD_EXPECTED: ErrorFields = {
  code: "08P01",
  message: "expected password response",
};
const INVALID_START_UP: ErrorFields = {
  code: "08P01",
  message: "invalid startup packet",
};
const USER_EXPECTED: ErrorFields = {
  code: "28000",
  message: "no PostgreSQL user name specified in startup packet",
};

function credentials(
  parameters: ReadonlyMap<string, string>,
  password: string,
): Credentials {
  const user = parameters.get("user") ?? "";
  const applicationName = parameters.get("application_name");
  const options = parameters.get("options");
  return {
    user,
    password,
    database: parameters.get("database") || user,
    ...(applicationName === undefined ? {} : { applicationName }),
    ...(options === undefined ? {} : { options }),
  };
}

function loginFailure(error: unknown): ErrorFields {
  return errorFields(error) ?? {
    code: "08006",
    message: "could not connect to the database server",
  };
}

function welcome({ client, parameters }: Login): Buffer {
  return Buffer.concat([
    authenticationOk(),
    ...Array.from(parameters, ([name, value]) => parameterStatus(name, value)),
    backendKeyData(client.processID ?? 0, client.secretKey ?? 0),
    readyForQuery(),
  ]);
}
