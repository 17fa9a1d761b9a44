/**
 * Types of `@std/assert`, which comes from the untyped npm package `deno-std`.
 * Once the import map names `jsr:@std/assert` this file goes.
 */
declare module "@std/assert" {
  type ErrorClass<E extends Error = Error> = abstract new (
    ...args: never[]
  ) => E;

  export class AssertionError extends Error {
    constructor(message: string, options?: ErrorOptions);
  }

  export interface ArrayLikeArg<T> extends ArrayLike<T>, Iterable<T> {}

  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertFalse(
    expr: unknown,
    msg?: string,
  ): asserts expr is false | 0 | "" | 0n | null | undefined;
  export function equal(a: unknown, b: unknown): boolean;
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(
    actual: T,
    expected: T,
    msg?: string,
  ): void;
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    msg?: string,
  ): asserts actual is T;
  export function assertNotStrictEquals<T>(
    actual: T,
    expected: T,
    msg?: string,
  ): void;
  export function assertExists<T>(
    actual: T,
    msg?: string,
  ): asserts actual is NonNullable<T>;
  export function assertInstanceOf<T>(
    actual: unknown,
    expectedType: abstract new (...args: never[]) => T,
    msg?: string,
  ): asserts actual is T;
  export function assertNotInstanceOf<A, T>(
    actual: A,
    unexpectedType: abstract new (...args: never[]) => T,
    msg?: string,
  ): asserts actual is Exclude<A, T>;
  export function assertMatch(
    actual: string,
    expected: RegExp,
    msg?: string,
  ): void;
  export function assertNotMatch(
    actual: string,
    expected: RegExp,
    msg?: string,
  ): void;
  export function assertStringIncludes(
    actual: string,
    expected: string,
    msg?: string,
  ): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLikeArg<T>,
    expected: ArrayLikeArg<T>,
    msg?: string,
  ): void;
  export function assertObjectMatch(
    // As in Deno std: an interface has no index signature, so `object`.
    actual: object,
    expected: Record<PropertyKey, unknown>,
    msg?: string,
  ): void;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(
    actual: T,
    expected: T,
    msg?: string,
  ): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(
    actual: T,
    expected: T,
    msg?: string,
  ): void;
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    msg?: string,
  ): void;
  export function assertIsError<E extends Error = Error>(
    error: unknown,
    ErrorClass?: ErrorClass<E>,
    msgMatches?: string | RegExp,
    msg?: string,
  ): asserts error is E;
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    ErrorClass: ErrorClass<E>,
    msgIncludes?: string,
    msg?: string,
  ): E;
  export function assertRejects(
    fn: () => PromiseLike<unknown>,
    msg?: string,
  ): Promise<unknown>;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    ErrorClass: ErrorClass<E>,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;
  export function fail(msg?: string): never;
  export function unimplemented(msg?: string): never;
  export function unreachable(msg?: string): never;
}
