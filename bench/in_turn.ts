/**
 * An order in which everybody is first, and last, now and then.
 *
 * @param all Who takes turns.
 * @param round The number of the round.
 */
export function inTurn<T>(all: readonly T[], round: number): T[] {
  const from = round % all.length;
  const turned = [...all.slice(from), ...all.slice(0, from)];
  return round % 2 === 0 ? turned : turned.toReversed();
}
