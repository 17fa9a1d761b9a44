import { isAutocommit } from "../driver/transaction_sql.ts";
import type { WrappedFlight } from "../engine/flight.ts";
import { DatabaseError } from "../errors/database_error.ts";
import type { NullpoolError } from "../errors/error.ts";
import type { StateError } from "../errors/state_error.ts";
import type { Transport } from "../events/event.ts";
import { type DispatchParts, Opening } from "./_opening.ts";
import { failedError, neverBegunError } from "./_refusals.ts";
import { ReadRouter } from "./_read_router.ts";
import { ServerTransaction } from "./_server_transaction.ts";
import type { WholeOptions } from "./_whole_transaction.ts";
import { countWrites } from "./session_stats.ts";
import { type Batch, StatementQueue } from "./_statement_queue.ts";
import { planTransport, type TransportPlan } from "./transport_plan.ts";

/**
 * Brings the statements of one transaction to the server, flight by flight, in
 * the way that the transport plan says, and gives each its answer.
 */
export class Dispatcher {
  /** What waits. */
  readonly queue: StatementQueue = new StatementQueue();
  /** The transaction on the server. */
  readonly server: ServerTransaction;
  readonly #parts: DispatchParts;
  readonly #opening: Opening;
  readonly #router: ReadRouter;
  #pumping: Promise<void> | undefined;
  /** What was sent last. */
  #flying: Batch | undefined;
  /** Why nothing was begun although statements were issued. */
  #neverBegun: StateError | undefined;
  /** Whether COMMIT goes with what waits. */
  #isEnding = false;
  #commitError: NullpoolError | undefined;
  /** Whether a read has turned out to be none. */
  #hasWritten = false;
  /** How many reads are sent one by one, because they have failed together. */
  #alone = 0;

  /** @param parts The transaction. */
  constructor(parts: DispatchParts) {
    this.server = new ServerTransaction(parts.owner, parts.options);
    this.#opening = new Opening(this.server, parts);
    this.#router = new ReadRouter(parts.owner, parts.options, this.server);
    this.#parts = parts;
  }

  /**
   * Whether a statement is to be sent, or was sent, and has no answer: whoever
   * has got one may go on, although its flight is still being accounted for.
   */
  get isBusy(): boolean {
    if (this.#pumping === undefined) return false;
    return !this.queue.isEmpty || !(this.#flying?.isAnswered ?? false);
  }

  /** Settles when what was sent is answered; nothing where nothing is. */
  get pumping(): Promise<void> | undefined {
    return this.#pumping;
  }

  /** Why nothing was begun although statements were issued. */
  get neverBegun(): StateError | undefined {
    return this.#neverBegun;
  }

  /** Sends what waits, with what is issued in this turn. */
  send(): void {
    if (!this.queue.isEmpty) this.#pumping ??= this.#pump();
  }

  /** Sends what waits; settles when all of it is answered. */
  sendAll(): Promise<void> {
    this.send();
    return this.#pumping ?? Promise.resolve();
  }

  /**
   * Sends what waits, and COMMIT with it.
   *
   * @returns Why it was not committed, where that was the commit's fault.
   */
  async sendLast(): Promise<NullpoolError | undefined> {
    this.#isEnding = true;
    await this.sendAll();
    this.#isEnding = false;
    return this.#commitError;
  }

  /** Gives up waiting for a connection, for the hook, or for a request. */
  stopOpening(): void {
    this.#opening.stop();
  }

  /** Ends at once what runs, on a replica as well. */
  cut(error: NullpoolError): void {
    this.#opening.stop(error);
    this.#router.cut(error);
    this.server.cut(error);
  }

  /** Gives back what a replica has lent; `discard` ends what runs on it. */
  leaveReplica(options: { readonly discard: boolean }): void {
    this.#router.leaveReplica(options);
  }

  /** Settles when every connection is back in its pool, or closed. */
  get returned(): Promise<void> {
    const { returned } = this.server;
    const replica = this.#router.returned;
    return replica === undefined ? returned : returned.then(() => replica);
  }

  async #pump(): Promise<void> {
    // One turn later, so that statements issued together travel together.
    await null;
    while (!this.queue.isEmpty) await this.#flight();
    this.#pumping = undefined;
    this.#flying = undefined;
  }

  async #flight(): Promise<void> {
    try {
      await this.#opening.start();
    } catch (error) {
      return await this.#giveUp(error);
    }
    if (this.queue.isEmpty) return await this.#leaveUnsent();
    const { owner: { engine, stats, holder: session } } = this.#parts;
    const { transport, reason } = this.#plan();
    const before = stats.statements;
    const start = performance.now();
    await this.#send(transport, reason);
    const statements = stats.statements - before;
    if (statements === 0) return;
    stats.transports[transport]++;
    stats.reason = reason;
    engine.emit({
      type: "flight",
      session,
      transport,
      reason,
      isRequest: engine.sendsTransactions && transport !== "interactive",
      statements,
      duration: performance.now() - start,
    });
  }

  #send(transport: Transport, reason: string): Promise<void> {
    switch (transport) {
      case "one-shot":
        return this.#readAlone();
      case "batch":
        return this.#sendWhole();
      case "interactive":
        return this.#converse(reason);
    }
  }

  #plan(): TransportPlan {
    const { engine } = this.#parts.owner;
    return planTransport({
      isOpen: this.server.isOpen,
      options: this.#parts.options(),
      isPure: this.queue.isPure,
      isLast: this.#isEnding,
      fits: (bytes) => this.queue.fits(bytes),
      mostParams: () => this.queue.mostParams,
      hasWritten: this.#hasWritten,
      maxBatchBytes: engine.maxBatchBytes,
      maxBatchParams: engine.maxBatchParams,
    });
  }

  #take(limit?: number): Batch {
    const batch = this.queue.take(limit);
    const { options, owner: { stats } } = this.#parts;
    stats.statements += batch.size;
    const sent = batch.statements.map(({ statement }) => statement);
    countWrites(stats, sent, options());
    this.#flying = batch;
    return batch;
  }

  /** Puts back what was not answered; it is sent in another way. */
  #putBack(batch: Batch, answered: number): void {
    this.#parts.owner.stats.statements -= batch.size - answered;
    this.queue.putBack(batch, answered);
  }

  /** Sends reads in a transaction of their own. */
  async #readAlone(): Promise<void> {
    const isAlone = this.#alone > 0 || !this.#parts.owner.sharesReads;
    const batch = this.#take(isAlone ? 1 : undefined);
    this.#alone = Math.max(0, this.#alone - 1);
    let answer;
    try {
      answer = await this.#opening.stoppable((abort) =>
        this.#router.read(batch, this.#whole(abort))
      );
    } catch (error) {
      return await this.#giveUp(error, batch);
    }
    const { flight, hasBegun } = answer;
    // One that was cut off is closed at once, which cancels what it runs.
    if (flight.failure !== undefined && !this.server.isUsable) {
      this.server.giveBack({ discard: true });
    }
    const { results, failure, failedAt } = flight;
    if (!hasBegun) return this.#notBegun(failure, batch);
    if (failure !== undefined && failedAt === undefined && batch.size > 1) {
      // Each again, up to the one that fails.
      this.#alone = batch.size;
      return this.#putBack(batch, 0);
    }
    if (isWriteRefused(failure)) {
      this.#hasWritten = true;
      this.#parts.noteWrite();
      batch.answer(results);
      return this.#putBack(batch, results.length);
    }
    batch.settle(flight);
    if (failure !== undefined) await this.#end(failure);
  }

  /** Sends what waits and COMMIT as one request. */
  async #sendWhole(): Promise<void> {
    const batch = this.#take();
    const { engine, work, holder: session } = this.#parts.owner;
    const options = this.#parts.options();
    const start = performance.now();
    let time: number | undefined;
    function onDone(duration: number): void {
      time = duration;
      engine.emit({ type: "begin", session, options, duration });
    }
    const answering = this.#opening.stoppable((abort) => {
      const whole = { ...this.#whole(abort), onDone };
      return this.server.commitWhole(
        batch.statements,
        whole,
        this.#parts.terms(),
      );
    });
    work.noteSealed();
    const { flight, error, isAnswerLost } = await answering;
    if (error !== undefined) {
      batch.settle({ ...flight, failure: error });
      this.#commitError = this.#parts.fail(error);
      return;
    }
    if (isAnswerLost) batch.settleLost();
    else batch.settle(flight);
    // Without an answer it is the time until it was known what had happened.
    const duration = time ?? performance.now() - start;
    if (time === undefined) onDone(duration);
    engine.emit({ type: "commit", session, statements: batch.size, duration });
  }

  /** How a transaction runs that is a flight of its own. */
  #whole(abort: AbortController): WholeOptions {
    const { options, owner: { authToken } } = this.#parts;
    const { settings } = this.#opening;
    return { options: options(), settings, abort, authToken };
  }

  /** Sends a flight of a transaction that stays open. */
  async #converse(reason: string): Promise<void> {
    const { owner } = this.#parts;
    const isLoose = isAutocommit(this.#parts.options());
    try {
      if (!this.server.isOpen) {
        this.#router.turnToPrimary();
        await this.#opening.open(reason);
      }
    } catch (error) {
      return await this.#giveUp(error);
    }
    if (this.queue.isEmpty) return await this.#leaveUnsent();
    // A flight is atomic: without a transaction each statement needs its own.
    const batch = this.#take(isLoose ? 1 : undefined);
    const isLast = this.#isEnding && this.queue.isEmpty && !isLoose;
    if (isLast) return await this.#lastFlight(batch);
    const answering = this.server.send(batch.statements);
    // It has left: what a flush has to note is noted while the server works.
    owner.work.noteSealed();
    await this.#settle(batch, await answering);
  }

  /** What was made is true when COMMIT was answered, and not before. */
  async #lastFlight(batch: Batch): Promise<void> {
    const answering = this.server.commitBehind(
      batch.statements,
      this.#parts.terms(),
    );
    this.#parts.owner.work.noteSealed();
    const { flight, error, isAnswerLost } = await answering;
    if (error !== undefined) {
      this.#commitError = this.#parts.fail(error);
      batch.reject(error);
    } else if (isAnswerLost) batch.settleLost();
    else await this.#settle(batch, flight);
  }

  async #settle(batch: Batch, flight: WrappedFlight): Promise<void> {
    const { failure } = flight;
    if (failure !== undefined && !this.server.hasBegun) {
      // BEGIN itself failed, so there is no transaction that could be failed.
      return this.#notBegun(failure, batch);
    }
    batch.settle(flight);
    if (failure !== undefined) await this.#end(failure);
  }

  /**
   * Rolled back meanwhile: nothing is sent any more. What has begun stays: it
   * may have been but a savepoint inside of it.
   */
  async #leaveUnsent(): Promise<void> {
    if (!this.server.hasBegun) await this.server.rollback();
  }

  /** Nothing has begun, and nothing is open: the session stays usable. */
  async #giveUp(error: unknown, batch?: Batch): Promise<void> {
    await this.server.rollback();
    const isMissed = !this.queue.isEmpty || batch !== undefined;
    if (isMissed) this.#notBegun(error, batch);
  }

  #notBegun(error: unknown, batch?: Batch): void {
    this.#neverBegun = neverBegunError(error);
    batch?.reject(error);
    this.queue.reject(error);
  }

  /** Follows a failure of the transaction. */
  async #end(failure: NullpoolError): Promise<void> {
    const { fail, options, canRecover } = this.#parts;
    if (isAutocommit(options()) && this.server.isUsable) return;
    fail(failure);
    this.queue.reject(failedError("execute", failure));
    // Nothing can be saved any more: its slot is free at once, and the
    // rollback that has to come sends nothing.
    if (!this.server.isUsable || !canRecover()) await this.server.rollback();
  }
}

/** Whether a read-only transaction has found a write (`read_only_sql_transaction`). */
function isWriteRefused(failure: unknown): boolean {
  return failure instanceof DatabaseError && failure.sqlstate === "25006";
}
