/** What a pool knows about a connection that it keeps. */
export interface ConnectionRecord {
  /**
   * When its opening began, in milliseconds of `Date.now()`: a frozen process
   * ages its connections too, and `performance.now()` may stand still there.
   */
  readonly openedAt: number;
  /** The pool's generation at that moment. */
  readonly generation: number;
  /** Whether it was invalidated softly. */
  readonly isInvalidated: boolean;
}

/** What the decision about a connection depends on besides its record. */
export interface RecordContext {
  /** Milliseconds of `Date.now()`. */
  readonly now: number;
  /** Milliseconds of age at which a connection is replaced; -1 is never. */
  readonly recycle: number;
  /** The pool's generation: connections of an earlier one are replaced. */
  readonly generation: number;
  /** Whether the connection can carry another flight, as far as it knows. */
  readonly isUsable: boolean;
}

/** Why a connection is replaced at its checkout. */
export type ReplacementReason =
  | "broken"
  | "invalidated"
  | "generation"
  | "age";

/**
 * Starts the record of a connection.
 *
 * @param generation The pool's, before the connection is opened: what was
 * begun before a disconnect is as doubtful as what was open then.
 * @param now Milliseconds of `Date.now()`.
 */
export function openRecord(generation: number, now: number): ConnectionRecord {
  return {
    openedAt: now,
    generation,
    isInvalidated: false,
  };
}

/**
 * Decides whether a connection is replaced at its checkout.
 *
 * @param record What is known about it.
 * @param context The moment.
 * @returns Why, or nothing when it can be lent.
 */
export function replacementReason(
  record: ConnectionRecord,
  context: RecordContext,
): ReplacementReason | undefined {
  if (!context.isUsable) return "broken";
  if (record.isInvalidated) return "invalidated";
  if (record.generation < context.generation) return "generation";
  if (context.recycle >= 0 && age(record, context.now) > context.recycle) {
    return "age";
  }
  return undefined;
}

/**
 * Decides the generation of a pool after one of its connections broke: only
 * the first loss of a generation starts a new one. The connections lost along
 * with it are told one by one and later; they must not condemn those that
 * were opened since.
 *
 * @param record The connection that broke.
 * @param generation The pool's generation.
 * @returns The pool's next generation, or the same.
 */
export function generationAfterLoss(
  record: ConnectionRecord,
  generation: number,
): number {
  return record.generation < generation ? generation : generation + 1;
}

/**
 * Says how old a connection is.
 *
 * @param record What is known about it.
 * @param now Milliseconds of `Date.now()`.
 * @returns Milliseconds; 0 when the clock was put back.
 */
export function age(record: ConnectionRecord, now: number): number {
  return Math.max(0, now - record.openedAt);
}
