import { lineage, type PoolHolder } from "../driver/pool_holder.ts";

/**
 * What becomes of a slot: a connection is being opened on it, a holder has
 * it, or it was given back and is being reset or closed.
 */
export type SlotState = "opening" | "lent" | "returning";

/** A slot as the decisions see it. */
export interface HeldSlot {
  /** What becomes of it. */
  readonly state: SlotState;
  /** Whose it is, where that was said. */
  readonly holder: PoolHolder | undefined;
  /** When it was taken, in milliseconds of `performance.now()`. */
  readonly since: number;
}

/** How many slots are named in an error. */
const MAX_NAMED = 10;

/**
 * Tells whether a checkout would wait for itself: every slot is held by
 * somebody who waits, or whose child waits, for a slot of this pool, and one
 * of them by the checkout's own holder or a parent of it.
 *
 * A slot on its way back, or one held by somebody who can go on, will be
 * free: waiting for it is no deadlock, even where a parent holds another one
 * (five tasks of a request that share four slots).
 *
 * @param holder Who would wait.
 * @param slots All slots of the pool; none of them is free.
 * @param waiting Who waits already.
 * @returns The own holder, or the parent, that holds a slot.
 */
export function deadlockedBy(
  holder: PoolHolder | undefined,
  slots: Iterable<HeldSlot>,
  waiting: Iterable<PoolHolder | undefined>,
): PoolHolder | undefined {
  const own = lineage(holder);
  const held = [...slots];
  const culprit = held.find((slot) => slot.holder && own.has(slot.holder));
  if (culprit === undefined) return undefined;
  const blocked = new Set(own);
  for (const other of waiting) {
    for (const each of lineage(other)) blocked.add(each);
  }
  const isBlocked = held.every((slot) =>
    slot.state !== "returning" && slot.holder && blocked.has(slot.holder)
  );
  return isBlocked ? culprit.holder : undefined;
}

/**
 * Says who has the slots, the oldest first.
 *
 * @param slots All slots of a pool.
 * @param now Milliseconds of `performance.now()`.
 * @returns Such as `"GET /orders" for 31020 ms, 1 being given back`.
 */
export function describeSlots(
  slots: Iterable<HeldSlot>,
  now: number,
): string {
  const all = [...slots];
  const held = all.filter(({ state }) => state !== "returning")
    .sort((a, b) => a.since - b.since);
  const parts = held.slice(0, MAX_NAMED).map(({ holder, since }) => {
    const name = holder === undefined ? "unnamed" : `"${holder.name}"`;
    return `${name} for ${Math.round(now - since)} ms`;
  });
  if (held.length > MAX_NAMED) parts.push(`${held.length - MAX_NAMED} more`);
  const returning = all.length - held.length;
  if (returning > 0) parts.push(`${returning} being given back`);
  return parts.join(", ");
}
