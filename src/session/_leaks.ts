import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Engine } from "../engine/engine.ts";
import type { EngineConnection } from "../engine/engine_connection.ts";
import { StateError } from "../errors/state_error.ts";

/** A connection that somebody has to give back. */
interface Lent {
  /** It; nothing of it leads back to the session. */
  readonly connection: EngineConnection;
  /** Told. */
  readonly engine: Engine;
  /** The session as a pool sees it. */
  readonly holder: PoolHolder;
  /** Where the session was made, in development mode. */
  readonly place: string;
}

/** Some Workers have no such class, by their compatibility date. */
const DROPPED = typeof FinalizationRegistry === "function"
  ? new FinalizationRegistry<Lent>(closeDropped)
  : undefined;

/**
 * Watches whether a transaction is dropped that has a connection.
 *
 * @param transaction Whose end is not reported if it is unwatched before.
 * @param lent What it has.
 */
export function watchLeak(transaction: object, lent: Lent): void {
  DROPPED?.register(transaction, lent, transaction);
}

/**
 * Watches it no more: the connection was given back.
 *
 * @param transaction The one.
 */
export function unwatchLeak(transaction: object): void {
  DROPPED?.unregister(transaction);
}

/** Nobody can close its session any more, so this does. */
function closeDropped({ connection, engine, holder, place }: Lent): void {
  const { name } = holder;
  const isHeard = engine.hears("leak");
  engine.emit({ type: "leak", session: holder, name, place });
  if (!isHeard && engine.mode === "development") {
    globalThis.reportError?.(leakError(name, place));
  }
  void connection.release({ discard: true });
}

function leakError(name: string, place: string): StateError {
  return new StateError(
    "SESSION_LEAKED",
    `A session was dropped without close(): ${name}${place}; use Session.begin(), "await using", or close it in "finally"`,
  );
}
