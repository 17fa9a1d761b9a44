import { Session } from "../drizzle/session.ts";
import type { SessionDatabase } from "../drizzle/sessionmaker.ts";
import { noScopeError } from "./no_scope_error.ts";
import type { ScopeEntry } from "./scope_entry.ts";

/**
 * What belongs to the innermost block; everything else, `commit` included,
 * always means the session.
 */
const OF_THE_BLOCK: ReadonlySet<PropertyKey> = new Set([
  "select",
  "selectDistinct",
  "selectDistinctOn",
  "insert",
  "update",
  "delete",
  "execute",
  "query",
  "with",
  "$with",
  "$count",
  "refreshMaterializedView",
  "transaction",
  "beginNested",
  "within",
  "stream",
  "connection",
  "add",
  "addAll",
  "get",
  "find",
  "track",
  "merge",
  "refresh",
  "remove",
  "expunge",
  "enqueue",
  "flush",
  "noAutoflush",
]);

/**
 * Makes the session that stands for whoever is current.
 *
 * Methods come bound to the session they were found on: `#private` fields are
 * not reachable through a proxy.
 *
 * @param unbound Answers where nobody is current: structure, and queries that
 * are bound when they run.
 * @param entryOf Looks up who is current.
 */
export function scopedDatabase<Schema extends Record<string, unknown>>(
  unbound: SessionDatabase<Schema>,
  entryOf: () => ScopeEntry<Schema> | undefined,
): Session<Schema> {
  const proxy = new Proxy(unbound, {
    get(target, property) {
      const entry = entryOf();
      if (entry === undefined) return unscoped(target, property);
      const owner = OF_THE_BLOCK.has(property) ? entry.database : entry.session;
      const value = Reflect.get(owner, property);
      return typeof value === "function" ? value.bind(owner) : value;
    },
    has: (target, property) =>
      property in target || property in Session.prototype,
    getPrototypeOf: () => Session.prototype,
  });
  // Everything a session has is found by `get`.
  return proxy as unknown as Session<Schema>;
}

function unscoped(target: object, property: PropertyKey): unknown {
  if (property in target || !(property in Session.prototype)) {
    return Reflect.get(target, property);
  }
  throw noScopeError();
}
