/**
 * Refuses what is none of what a call takes. The compiler does so first; who
 * writes JavaScript, or casts, would have it ignored, or told from far inside.
 *
 * @param isRight Whether it is.
 * @param call What was asked for, such as `add to "users"`.
 * @param expected What it takes.
 * @throws {TypeError} When it is not.
 */
export function checkArgument(
  isRight: boolean,
  call: string,
  expected: string,
): asserts isRight {
  if (!isRight) throw new TypeError(`Cannot ${call}: expected ${expected}`);
}

/**
 * Refuses what is no engine: a driver, which connects as well, in another way,
 * or a sessionmaker.
 *
 * @param value What was given.
 * @param call What was asked for.
 * @throws {TypeError} When it is none.
 */
export function checkEngine(value: unknown, call: string): void {
  const isEngine = typeof value === "object" && value !== null &&
    "connect" in value && "driver" in value;
  checkArgument(isEngine, call, "an engine from createEngine()");
}

/**
 * Refuses what cannot be called.
 *
 * @param value What was given.
 * @param call What was asked for.
 * @throws {TypeError} When it is no function.
 */
export function checkFunction(value: unknown, call: string): void {
  checkArgument(typeof value === "function", call, "a function");
}

/**
 * Checks an option that is a count.
 *
 * @param name The option's name.
 * @param value How many.
 * @param least The smallest that is allowed.
 * @returns The value.
 * @throws {RangeError} When it is no whole number, or less.
 */
export function checkCount(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(
    `Cannot use option "${name}": it is a whole number, ${least} or more`,
  );
}
