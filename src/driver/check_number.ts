/**
 * Checks an option that comes from the user.
 *
 * @param name Its name.
 * @param value What was given.
 * @param unit What it counts.
 * @throws {RangeError} When it is not a number, or a negative one.
 */
export function checkNumber(
  name: string,
  value: number,
  unit: "milliseconds" | "bytes",
): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new RangeError(
    `Cannot use option "${name}": it is a number of ${unit}, 0 or more`,
  );
}
