import type { Driver } from "../driver/driver.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";
import type { FlightResult, Result, Statement } from "../driver/statement.ts";
import { sqlstateOf } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import {
  type FailedStatement,
  staleStatement,
  wrapDriverError,
} from "../errors/wrap_driver_error.ts";
import type { Emitter } from "../events/emitter.ts";
import { ToldFlight } from "./_told_flight.ts";

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
  /** Its milliseconds, where it was sent. */
  readonly duration?: number | undefined;
}

/**
 * Tells what the answer to a statement means, such as `begin`, in place of the
 * `statement` event; given the milliseconds of its flight as well.
 */
export type Teller = (result: Result, duration: number) => void;

/** Who hears of the statements of a flight. */
export interface FlightListeners {
  /** By place in the flight: for statements with an event of their own. */
  readonly tellers?: readonly (Teller | undefined)[] | undefined;
  /** Called when a part of the answer arrives, by drivers that can tell. */
  readonly onProgress?: () => void;
  /**
   * Called with the flight's milliseconds when all of it has succeeded, before
   * anything is told of its statements.
   */
  readonly onDone?: ((duration: number) => void) | undefined;
}

/** What a flight needs from its engine. */
export interface FlightParts {
  /** Names the database in errors. */
  readonly driver: Driver;
  /** Tells what happens. */
  readonly emitter: Emitter;
  /** Whether server texts that may quote values are passed on. */
  readonly exposeServerDetail: boolean;
  /** Whether events have the parameters of statements. */
  readonly exposeParameters: boolean;
}

/** Who sends a flight, and hears of it. */
export interface Sender extends Omit<FlightListeners, "onProgress"> {
  /** As events tell it. */
  readonly holder?: PoolHolder | undefined;
}

/** What a flight has to do with. */
interface Flight extends Sender {
  /** What is sent. */
  readonly statements: readonly Statement[];
  /** The engine's. */
  readonly parts: FlightParts;
  /** Whether it is answered as a whole, so that nobody knows what failed. */
  readonly isAtomic?: boolean;
}

/**
 * Sends statements as one flight, over a connection or without one: tells
 * events, and turns the driver's errors into ours. It never rejects.
 *
 * @param send Sends them.
 * @param flight What it has to do with.
 * @returns The results up to the first failure.
 */
export async function fly(
  send: () => Promise<FlightResult>,
  flight: Flight,
): Promise<WrappedFlight> {
  const start = performance.now();
  let answer: FlightResult;
  try {
    answer = await send();
  } catch (failure) {
    // A driver of somebody else's may reject all the same.
    answer = { results: [], failure };
  }
  const duration = performance.now() - start;
  const wrapped = wrap(answer, flight, duration);
  if (wrapped.failure === undefined) flight.onDone?.(duration);
  tell(wrapped, flight, duration);
  return wrapped;
}

function wrap(
  answer: FlightResult,
  { statements, parts, isAtomic = false }: Flight,
  duration: number,
): WrappedFlight {
  const { results } = answer;
  if (!("failure" in answer)) return { results, duration };
  const { driver, exposeServerDetail } = parts;
  const failedAt = isAtomic
    ? staleStatement(answer.failure, statements)
    : results.length;
  return {
    results,
    duration,
    failedAt,
    failure: wrapDriverError(answer.failure, {
      database: driver.describe(),
      connecting: answer.isLoginRefused ?? false,
      maybeExecuted: answer.isUnsent !== true,
      exposeServerDetail,
      statement: failedAt === undefined
        ? joined(statements)
        : statements[failedAt],
    }),
  };
}

function tell(
  wrapped: WrappedFlight,
  { statements, parts, holder, tellers = [] }: Flight,
  duration: number,
): void {
  const { driver, emitter, exposeParameters } = parts;
  const { results, failure } = wrapped;
  const told = emitter.hears("statement")
    ? new ToldFlight(statements, wrapped, tellers)
    : undefined;
  for (const [index, statement] of statements.entries()) {
    const result = results[index];
    if (result !== undefined) tellers[index]?.(result, duration);
    if (told?.tells(index) !== true) continue;
    const error = result === undefined ? failure : result.unreadable;
    emitter.emit({
      type: "statement",
      session: holder,
      address: driver.address?.(),
      text: statement.text,
      duration,
      rowCount: result?.rowCount ?? null,
      error: error?.code,
      sqlstate: sqlstateOf(error),
      isOwn: told.isOwn(index),
      flightSize: told.size,
      isLast: told.last === index,
      // Those of a long list are written anew each time they are asked for.
      ...(exposeParameters && { parameters: statement.params }),
    });
  }
}

/** Any of some statements: none of their values may be repeated. */
function joined(statements: readonly Statement[]): FailedStatement {
  return {
    text: statements.map(({ text }) => text).join("\n"),
    params: statements.flatMap(({ params }) => params),
  };
}
