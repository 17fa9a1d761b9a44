/**
 * One session per key. An object is a key for as long as somebody else keeps
 * it; any other value until it is forgotten.
 *
 * @typeParam Session What is kept.
 */
export class KeyedSessions<Session extends object> {
  readonly #keyOf: (() => unknown) | undefined;
  readonly #open: () => Session;
  readonly #byObject = new WeakMap<object, Session>();
  readonly #byValue = new Map<unknown, Session>();

  /**
   * @param keyOf Names the present scope; without it there is none.
   * @param open Makes the session of a scope.
   */
  constructor(keyOf: (() => unknown) | undefined, open: () => Session) {
    this.#keyOf = keyOf;
    this.#open = open;
  }

  /** The session of the present scope, made at its first use. */
  get current(): Session | undefined {
    const key = this.#keyOf?.();
    if (key === undefined) return undefined;
    const present = this.#sessions(key).get(key);
    if (present !== undefined) return present;
    const session = this.#open();
    this.#sessions(key).set(key, session);
    return session;
  }

  /** The session of the present scope, if it was used. */
  get present(): Session | undefined {
    const key = this.#keyOf?.();
    return key === undefined ? undefined : this.#sessions(key).get(key);
  }

  /**
   * Forgets the session of the present scope.
   *
   * @param session It; another one is left alone.
   */
  forget(session: Session | undefined): void {
    const key = this.#keyOf?.();
    if (key === undefined || this.present !== session) return;
    this.#sessions(key).delete(key);
  }

  #sessions(key: unknown): Map<unknown, Session> {
    const isObject = typeof key === "object" && key !== null ||
      typeof key === "function";
    // The two differ in their keys only, and this key fits.
    return isObject
      ? this.#byObject as unknown as Map<unknown, Session>
      : this.#byValue;
  }
}
