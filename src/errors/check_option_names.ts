/**
 * The names of options, each of them and no other: the compiler checks that.
 *
 * @typeParam Options The options.
 */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * Refuses an option that would be ignored, as one with a mistake in its name:
 * TypeScript lets it pass where options are built elsewhere. SQLAlchemy's
 * `create_engine` refuses it as well ("Invalid argument(s)"). An object of a
 * class, and a module, may have more than options.
 *
 * @param of What takes the options.
 * @param options What was given.
 * @param names The names that there are.
 * @throws {TypeError} When one has another name, or they are no object.
 */
export function checkOptionNames(
  of: string,
  options: object,
  names: Readonly<Record<string, true>>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot use the options of ${of}: they are an object`);
  }
  if (options.constructor !== Object) return;
  for (const name in options) {
    if (Object.hasOwn(names, name)) continue;
    throw new TypeError(
      `Cannot use option "${name}": ${of} has ${Object.keys(names).join(", ")}`,
    );
  }
}
