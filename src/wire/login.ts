import type { WireClient } from "./client.ts";

/** How a client gets into its server. */
export interface Login {
  /** Whether the server has let it in: not only that it has been asked. */
  readonly isDone: boolean;
  /**
   * Whether it failed by having said something too early, so that another one,
   * which waits until it is asked, may do better.
   */
  readonly wasTooEarly: boolean;
  /**
   * Opens the client's connection.
   *
   * @returns Resolves when the first flight may be sent, which may go along
   * with the last message of the login.
   */
  connect(): Promise<unknown>;
  /** Nobody waits for it any more: its end says nothing of the server. */
  abandon(): void;
}

/** A login by the client's own means. */
export class ClientLogin implements Login {
  readonly #client: WireClient;
  readonly wasTooEarly = false;
  #isDone = false;

  /** @param client Not connected yet. */
  constructor(client: WireClient) {
    this.#client = client;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Neon's client says that it is connected when its password is on its way, so
   * that the first flight goes along.
   */
  connect(): Promise<unknown> {
    const connecting = this.#client.connect();
    // Behind it, because Neon's client forgets those that have listened before.
    this.#client.connection.once("readyForQuery", () => {
      this.#isDone = true;
    });
    return connecting;
  }

  /** It has nothing to learn. */
  abandon(): void {}
}
