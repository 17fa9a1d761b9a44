import type { Connection } from "../../src/driver/connection.ts";
import type { ConnectOptions, Driver } from "../../src/driver/driver.ts";
import type { FlightResult, Statement } from "../../src/driver/statement.ts";

/** Something that was asked for and waits for the test to answer. */
export interface Pending {
  /** Answers with success. */
  readonly succeed: () => void;
  /** Answers with failure. */
  readonly fail: () => void;
}

/**
 * A driver whose every answer the test gives: what a pool does while a
 * connect, a ping or a close is under way cannot be shown with a database.
 */
export class GatedDriver implements Driver {
  readonly name = "gated";
  /** Everything that was ever opened. */
  readonly connections: GatedConnection[] = [];
  /** Whether the driver answers everything itself, with success. */
  isOpen = false;
  /** The signals of the connects, in order. */
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly connects = new Set<Pending>();
  readonly sends = new Set<Pending>();
  readonly closes = new Set<Pending>();

  describe(): string {
    return "the gated driver";
  }

  connect({ signal }: ConnectOptions = {}): Promise<Connection> {
    this.signals.push(signal);
    const pending = this.#ask(this.connects, () => {
      const connection = new GatedConnection(this);
      this.connections.push(connection);
      return connection;
    });
    signal?.addEventListener("abort", () => {
      for (const each of this.connects) {
        if (each === pending.pending) each.fail();
      }
    });
    return pending.promise;
  }

  /** What a server would count: connecting, open, closing. */
  get open(): number {
    const open = this.connections.filter((each) => !each.isGone);
    return open.length + this.connects.size;
  }

  /** Answers everything that is asked, and whatever is asked from now on. */
  openGates(): void {
    this.isOpen = true;
    for (const gate of [this.connects, this.sends, this.closes]) {
      for (const pending of gate) pending.succeed();
    }
  }

  send(connection: GatedConnection): Promise<FlightResult> {
    const lost: FlightResult = { results: [], failure: new Error("lost") };
    const row = { rows: [], command: "", rowCount: 0, fields: [] };
    return this.#ask<FlightResult>(
      this.sends,
      () => connection.usable ? { results: [row] } : lost,
      () => {
        connection.usable = false;
        return lost;
      },
    ).promise;
  }

  close(connection: GatedConnection): Promise<void> {
    return this.#ask(this.closes, () => {
      connection.isGone = true;
    }).promise;
  }

  #ask<Value>(
    gate: Set<Pending>,
    value: () => Value,
    failure?: () => Value,
  ): { promise: Promise<Value>; pending: Pending } {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const pending: Pending = {
      succeed: () => gate.delete(pending) && resolve(value()),
      fail: () => {
        if (!gate.delete(pending)) return;
        if (failure === undefined) reject(new Error("refused"));
        else resolve(failure());
      },
    };
    gate.add(pending);
    if (this.isOpen) pending.succeed();
    return { promise, pending };
  }
}

/** A connection of a {@linkcode GatedDriver}. */
export class GatedConnection implements Connection {
  usable = true;
  /** Whether the server let it go. */
  isGone = false;
  /** How often it was closed. */
  closeCount = 0;
  readonly #driver: GatedDriver;

  constructor(driver: GatedDriver) {
    this.#driver = driver;
  }

  send(_statements: readonly Statement[]): Promise<FlightResult> {
    return this.#driver.send(this);
  }

  close(): Promise<void> {
    this.closeCount++;
    this.usable = false;
    return this.#driver.close(this);
  }
}

/** Lets everything happen that can happen without an answer. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await null;
}
