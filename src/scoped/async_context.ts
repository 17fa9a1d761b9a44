import { ScopeError } from "../errors/state_error.ts";

/** The part of Node's `AsyncLocalStorage` that is used. */
export interface AsyncStorage<Store> {
  /** Runs a function with a store, which everything it calls sees. */
  run<T>(store: Store, callback: () => T): T;
  /** The store of whoever asks. */
  getStore(): Store | undefined;
}

/** A class such as Node's `AsyncLocalStorage`. */
export type AsyncStorageClass = new () => AsyncStorage<unknown>;

/** Where runtimes keep the class. */
interface Runtime {
  readonly AsyncLocalStorage?: AsyncStorageClass;
  readonly process?: {
    getBuiltinModule?(name: "node:async_hooks"): {
      readonly AsyncLocalStorage: AsyncStorageClass;
    } | undefined;
  };
}

/**
 * Makes a storage per async context. A static import of `node:async_hooks`
 * would keep a Worker without compatibility flags from loading at all.
 *
 * @param given The class, where the caller knows better.
 * @throws {ScopeError} When the runtime has none.
 */
export function asyncStorage<Store>(
  given: AsyncStorageClass | undefined,
): AsyncStorage<Store> {
  const runtime: Runtime = globalThis;
  const Storage = given ?? runtime.AsyncLocalStorage ??
    runtime.process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
  if (Storage === undefined) {
    throw new ScopeError(
      "NO_ASYNC_CONTEXT",
      'Cannot make a scoped session: this runtime offers no AsyncLocalStorage; on Workers add the compatibility flag "nodejs_compat" or "nodejs_als"',
    );
  }
  // The class stores whatever it is given; only the declaration is wider.
  return new Storage() as AsyncStorage<Store>;
}
