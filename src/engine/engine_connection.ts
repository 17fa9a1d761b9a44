import type { Connection } from "../driver/connection.ts";
import type { Driver } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { FlightResult, Result, Statement } from "../driver/statement.ts";
import { endsTransaction } from "../driver/transaction_sql.ts";
import { sqlstateOf } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import {
  type FailedStatement,
  staleStatement,
  wrapDriverError,
} from "../errors/wrap_driver_error.ts";
import type { Emitter } from "../events/emitter.ts";
import type { Pool } from "../pool/pool.ts";
import { ToldFlight } from "./_told_flight.ts";

/** What a checkout needs from its engine. */
export interface ConnectionParts {
  /** Names the database in errors. */
  readonly driver: Driver;
  /** Takes the connection back. */
  readonly pool: Pool;
  /** Tells what happens. */
  readonly emitter: Emitter;
  /** Whether server texts that may quote values are passed on. */
  readonly exposeServerDetail: boolean;
  /** Whether events have the parameters of statements. */
  readonly exposeParameters: boolean;
  /** Whether a flight is answered as a whole, so that nobody knows what failed. */
  readonly isAtomic?: boolean;
}

/** A flight's results, with the failure as an error of ours. */
export interface WrappedFlight {
  /** One result for each statement that succeeded. */
  readonly results: readonly Result[];
  /** The failure of a statement, or of the whole flight. */
  readonly failure?: NullpoolError | undefined;
  /**
   * Which statement failed: number `results.length`, or another one where the
   * whole flight is answered at once; nothing where nobody can tell.
   */
  readonly failedAt?: number | undefined;
}

/**
 * Tells what the answer to a statement means, such as `begin`, in place of the
 * `statement` event; given the milliseconds of its flight as well.
 */
export type Teller = (result: Result, duration: number) => void;

/** Who hears of the statements of a flight. */
export interface FlightListeners {
  /** By place in the flight: for statements with an event of their own. */
  readonly tellers?: readonly (Teller | undefined)[];
  /** Called when a part of the answer is there, by drivers that can tell. */
  readonly onProgress?: () => void;
  /**
   * Called with the flight's milliseconds when all of it has succeeded, before
   * anything is told of its statements.
   */
  readonly onDone?: ((duration: number) => void) | undefined;
}

/**
 * One checkout of a connection: sends flights, tells events, turns driver
 * errors into ours (here and nowhere else), gives back exactly once.
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
  async send(
    statements: readonly Statement[],
    { tellers = [], onProgress, onDone }: FlightListeners = {},
  ): Promise<WrappedFlight> {
    if (this.#released) return { results: [], failure: releasedError() };
    const start = performance.now();
    const wrapped = this.#wrap(
      await this.#exchange(statements, onProgress),
      statements,
    );
    this.#follow(statements, wrapped);
    const duration = performance.now() - start;
    if (wrapped.failure === undefined) onDone?.(duration);
    this.#tell(statements, wrapped, tellers, duration);
    return wrapped;
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
      return await new Promise((resolve, reject) => {
        this.#endFlight = resolve;
        this.#connection.send(statements, onProgress).then(resolve, reject);
      });
    } catch (failure) {
      // A driver of somebody else's may reject all the same.
      this.#broken = true;
      return { results: [], failure };
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

  #wrap(
    flight: FlightResult,
    statements: readonly Statement[],
  ): WrappedFlight {
    if (!("failure" in flight)) return { results: flight.results };
    const { isAtomic = false, exposeServerDetail, driver } = this.#parts;
    const failedAt = isAtomic
      ? staleStatement(flight.failure, statements)
      : flight.results.length;
    return {
      results: flight.results,
      failedAt,
      failure: wrapDriverError(flight.failure, {
        attempt: `Lost the connection to ${driver.describe()}`,
        connecting: false,
        maybeExecuted: true,
        exposeServerDetail,
        statement: failedAt === undefined
          ? joined(statements)
          : statements[failedAt],
      }),
    };
  }

  /** Knows whether a transaction is open, by the tags that the server sends. */
  #follow(
    statements: readonly Statement[],
    { results }: WrappedFlight,
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

  #tell(
    statements: readonly Statement[],
    wrapped: WrappedFlight,
    tellers: readonly (Teller | undefined)[],
    duration: number,
  ): void {
    const { driver, emitter, exposeParameters } = this.#parts;
    const { results, failure } = wrapped;
    const told = emitter.hears("statement")
      ? new ToldFlight(statements, wrapped, tellers)
      : undefined;
    for (const [index, statement] of statements.entries()) {
      const result = results[index];
      if (result !== undefined) tellers[index]?.(result, duration);
      if (told?.tells(index) !== true) continue;
      const isFailed = result === undefined;
      emitter.emit({
        type: "statement",
        session: this.#holder,
        address: driver.address?.(),
        text: statement.text,
        duration,
        rowCount: result?.rowCount ?? null,
        error: isFailed ? failure?.code : undefined,
        sqlstate: isFailed ? sqlstateOf(failure) : undefined,
        isOwn: told.isOwn(index),
        flightSize: told.size,
        isLast: told.last === index,
        // Those of a long list are written anew each time they are asked for.
        ...(exposeParameters && { parameters: statement.params }),
      });
    }
  }
}

function releasedError(): StateError {
  return new StateError(
    "TRANSACTION_ENDED",
    "Cannot send: the connection was given back; borrow another one",
  );
}

/** Any of some statements: none of their values may be repeated. */
function joined(statements: readonly Statement[]): FailedStatement {
  return {
    text: statements.map(({ text }) => text).join("\n"),
    params: statements.flatMap(({ params }) => params),
  };
}
