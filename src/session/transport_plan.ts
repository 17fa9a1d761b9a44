import {
  isAutocommit,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import type { Transport } from "../events/event.ts";

/** What a transaction has done, and is about to do. */
export interface TransportSituation {
  /** Whether it holds a connection with its transaction open. */
  readonly isOpen: boolean;
  /** How it runs. */
  readonly options: TransactionOptions;
  /** Whether all that goes out now is known to only read, and to be pure. */
  readonly isPure: boolean;
  /** Whether COMMIT goes out behind it. */
  readonly isLast: boolean;
  /** Whether no more bytes go out now, about; asked only where it counts. */
  readonly fits: (bytes: number) => boolean;
  /** Parameters of the statement with most; asked only where it counts. */
  readonly mostParams: () => number;
  /** Whether a read-only transaction has refused one of the statements. */
  readonly hasWritten: boolean;
  /** Bytes of a batch at the most; nothing where the driver has no batches. */
  readonly maxBatchBytes: number | undefined;
  /** How many parameters a statement may have without a connection. */
  readonly maxBatchParams: number;
}

/** What was decided, and why. */
export interface TransportPlan {
  /** How. */
  readonly transport: Transport;
  /** Why, as events and messages say it. */
  readonly reason: string;
}

/**
 * Decides how the next flight of a transaction meets the wire.
 *
 * Under READ COMMITTED each statement sees what was committed before it, so a
 * read in a transaction of its own cannot be told from one in the session's,
 * as long as that has neither written nor locked anything.
 *
 * @param situation What it has done, and is about to do.
 */
export function planTransport(situation: TransportSituation): TransportPlan {
  const { isOpen, isPure, isLast, options, maxBatchBytes } = situation;
  if (isOpen) return interactive("its transaction is open already");
  if (isAutocommit(options)) return interactive("it runs in autocommit");
  if (options.interactive) return interactive("it was asked for");
  if (options.lostCommit === "xid" && !isPure) {
    return interactive("its id is asked for before COMMIT");
  }
  if (isLast && maxBatchBytes !== undefined) {
    if (!situation.fits(maxBatchBytes)) {
      return interactive(`its changes are more than ${maxBatchBytes} bytes`);
    }
    return tooManyParams(situation) ??
      { transport: "batch", reason: "the whole unit of work is known" };
  }
  const { isolationLevel = "read committed", deferrable = false } = options;
  if (!isPure) return interactive("a statement may write, or lock");
  if (situation.hasWritten) return interactive("what looked like a read wrote");
  if (!/^read/.test(isolationLevel)) {
    return interactive(`it keeps one snapshot (${isolationLevel})`);
  }
  if (deferrable) return interactive("it is deferrable");
  return tooManyParams(situation) ??
    { transport: "one-shot", reason: "it only reads" };
}

function tooManyParams(
  { maxBatchParams, mostParams }: TransportSituation,
): TransportPlan | undefined {
  return maxBatchParams < Infinity && mostParams() > maxBatchParams
    ? interactive(`a statement has more than ${maxBatchParams} parameters`)
    : undefined;
}

function interactive(reason: string): TransportPlan {
  return { transport: "interactive", reason };
}
