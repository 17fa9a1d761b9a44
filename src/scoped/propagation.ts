/**
 * How `scope.begin` treats a transaction that is open already; the words are
 * those of Java's and Spring's transaction attributes.
 *
 * `required`: joins it, or begins one. `requiresNew`: a session of its own.
 * `nested`: a savepoint in it, or a transaction. `mandatory`: refused without
 * one. `never`: refused with one. `supports`: joins it, or runs without.
 * `notSupported`: runs apart from it, in a session of its own that nobody
 * commits for it.
 */
export type Propagation =
  | "required"
  | "requiresNew"
  | "nested"
  | "mandatory"
  | "never"
  | "supports"
  | "notSupported";

/** Where `scope.begin` was called. */
export type ScopeSituation = "no scope" | "no transaction" | "transaction";

/**
 * What `scope.begin` does: `join` runs in what is there, `begin` opens a
 * transaction on the current session, `savepoint` opens one in it, `own` opens
 * a session with a transaction, `apart` one without, `refuse` throws.
 */
export type ScopeAction =
  | "join"
  | "begin"
  | "savepoint"
  | "own"
  | "apart"
  | "refuse";

const ACTIONS: Readonly<
  Record<Propagation, Readonly<Record<ScopeSituation, ScopeAction>>>
> = {
  required: {
    "no scope": "own",
    "no transaction": "begin",
    transaction: "join",
  },
  requiresNew: {
    "no scope": "own",
    "no transaction": "own",
    transaction: "own",
  },
  nested: {
    "no scope": "own",
    "no transaction": "begin",
    transaction: "savepoint",
  },
  mandatory: {
    "no scope": "refuse",
    "no transaction": "refuse",
    transaction: "join",
  },
  never: {
    "no scope": "apart",
    "no transaction": "join",
    transaction: "refuse",
  },
  supports: {
    "no scope": "apart",
    "no transaction": "join",
    transaction: "join",
  },
  notSupported: {
    "no scope": "apart",
    "no transaction": "apart",
    transaction: "apart",
  },
};

/**
 * Decides what `scope.begin` does.
 *
 * @param propagation What was asked for.
 * @param situation Where it was asked.
 * @returns The action.
 * @throws {RangeError} When the propagation is none of the seven.
 */
export function scopeAction(
  propagation: Propagation,
  situation: ScopeSituation,
): ScopeAction {
  const actions = ACTIONS[propagation];
  if (actions === undefined) {
    throw new RangeError(
      `Cannot use option "propagation": it is one of ${
        Object.keys(ACTIONS).join(", ")
      }`,
    );
  }
  return actions[situation];
}
