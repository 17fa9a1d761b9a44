/** The longest time that a timer can be set to; beyond it fires at once. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/**
 * Checks an option that is a time.
 *
 * @param name The option's name.
 * @param value Milliseconds.
 * @returns The value.
 * @throws {RangeError} When it is no number of milliseconds that a timer takes.
 */
export function checkMilliseconds(name: string, value: number): number {
  if (value >= 0 && value <= MAX_MILLISECONDS) return value;
  throw new RangeError(
    `Cannot use option "${name}": it is a number of milliseconds from 0 to ${MAX_MILLISECONDS}`,
  );
}
