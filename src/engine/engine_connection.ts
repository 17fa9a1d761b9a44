import type { Connection } from "../driver/connection.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { FlightResult, Statement } from "../driver/statement.ts";
import { endsTransaction } from "../driver/transaction_sql.ts";
import type { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import type { Pool } from "../pool/pool.ts";
import {
  type FlightListeners,
  type FlightParts,
  fly,
  type WrappedFlight,
} from "./flight.ts";

/** What a checkout needs from its engine. */
export interface ConnectionParts extends FlightParts {
  /** Takes the connection back. */
  readonly pool: Pool;
}

/**
 * One checkout of a connection: sends flights, and gives back exactly once.
 *
 * It begins nothing by itself, unlike SQLAlchemy's `Connection`: transactions
 * are the business of sessions. One that was begun here and not ended is rolled
 * back by the pool, or thrown away with the connection.
 *
 * @example Without a session
 * ```ts
 * import { createEngine } from "@nullpool/db";
 * import { recordingDriver } from "@nullpool/db/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const connection = await createEngine(recordingDriver()).connect();
 * const { results } = await connection.send([
 *   { text: "select 1", params: [], rowMode: "object", access: "read" },
 * ]);
 * assertEquals(results.length, 1);
 * await connection.release({ discard: false });
 * ```
 */
export class EngineConnection {
  readonly #connection: Connection;
  readonly #parts: ConnectionParts;
  readonly #holder: PoolHolder | undefined;
  readonly #lentAt = performance.now();
  #broken = false;
  #inTransaction = false;
  /** Ends the flight that is in the air. */
  #endFlight: ((flight: FlightResult) => void) | undefined;
  #released: Promise<void> | undefined;

  /**
   * Takes over a checkout; `engine.connect()` does.
   *
   * @param connection A connection of the pool.
   * @param parts What the engine lends along with it.
   * @param holder Who borrows it.
   */
  constructor(
    connection: Connection,
    parts: ConnectionParts,
    holder?: PoolHolder,
  ) {
    this.#connection = connection;
    this.#parts = parts;
    this.#holder = holder;
  }

  /** Whether it can carry another flight. */
  get usable(): boolean {
    return this.#released === undefined && !this.#broken &&
      this.#connection.usable;
  }

  /**
   * Sends statements as one flight. It never rejects; what was given back sends
   * nothing any more, because somebody else may have it.
   *
   * @param statements At least one.
   * @param options Who hears of what.
   * @returns The results up to the first failure.
   */
  send(
    statements: readonly Statement[],
    { tellers, onProgress, onDone }: FlightListeners = {},
  ): Promise<WrappedFlight> {
    if (this.#released) {
      return Promise.resolve({ results: [], failure: releasedError() });
    }
    return fly(() => this.#exchange(statements, onProgress), {
      statements,
      tellers,
      onDone,
      parts: this.#parts,
      holder: this.#holder,
    });
  }

  /**
   * Ends the flight that is in the air, if one is, without its answer. The
   * connection can carry no other one.
   *
   * @param failure What the flight fails with.
   * @returns Whether one was in the air.
   */
  cut(failure: NullpoolError): boolean {
    this.#broken = true;
    const endFlight = this.#endFlight;
    endFlight?.({ results: [], failure });
    return endFlight !== undefined;
  }

  /** Says that it is given back when its last answer has arrived. */
  expectRelease(): void {
    this.#parts.pool.expect?.(this.#connection);
  }

  /**
   * Gives the connection back; the second call does nothing more.
   *
   * @param options `discard` when its state is in doubt.
   * @returns Settles when it is free for others, or closed. It never rejects.
   */
  release(options: { readonly discard: boolean }): Promise<void> {
    this.#released ??= this.#release(options.discard);
    return this.#released;
  }

  async #exchange(
    statements: readonly Statement[],
    onProgress: (() => void) | undefined,
  ): Promise<FlightResult> {
    try {
      const flight = await new Promise<FlightResult>((resolve, reject) => {
        this.#endFlight = resolve;
        this.#connection.send(statements, onProgress).then(resolve, reject);
      });
      this.#follow(statements, flight);
      return flight;
    } catch (error) {
      // A driver of somebody else's may reject all the same.
      this.#broken = true;
      throw error;
    } finally {
      this.#endFlight = undefined;
    }
  }

  async #release(discard: boolean): Promise<void> {
    const discarded = discard || this.#broken || !this.#connection.usable;
    const start = performance.now();
    const { driver, pool, emitter } = this.#parts;
    try {
      await pool.checkin(this.#connection, {
        discard: discarded,
        inTransaction: this.#inTransaction,
      });
    } catch {
      // Nobody waits for it, and the work it was borrowed for has ended.
    }
    emitter.emit({
      type: "checkin",
      session: this.#holder,
      address: driver.address?.(),
      discarded,
      held: start - this.#lentAt,
      duration: performance.now() - start,
    });
  }

  /** Knows whether a transaction is open, by the tags that the server sends. */
  #follow(
    statements: readonly Statement[],
    { results }: FlightResult,
  ): void {
    for (const [index, { command }] of results.entries()) {
      const text = statements[index]?.text ?? "";
      switch (command) {
        case "BEGIN":
        case "START":
          this.#inTransaction = true;
          break;
        case "COMMIT":
        case "ROLLBACK":
        case "PREPARE":
          // ROLLBACK TO has the same tag, and CHAIN begins the next one.
          if (endsTransaction(text) && !/\band\s+chain\b/i.test(text)) {
            this.#inTransaction = false;
          }
      }
    }
  }
}

function releasedError(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot send: the connection was given back; borrow another one",
  );
}
