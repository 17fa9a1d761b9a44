import type { Session } from "../drizzle/session.ts";
import type { SessionDatabase } from "../drizzle/sessionmaker.ts";
import type { PoolHolder } from "../pool/pool_holder.ts";

/**
 * Who is current in an async context.
 *
 * It lets go of a session that has closed: what an async context refers to is
 * found to be garbage late, and a session is much for that.
 *
 * @typeParam Schema The schema of the session.
 */
export class ScopeEntry<Schema extends Record<string, unknown>> {
  /** The session as a pool sees it. */
  readonly holder: PoolHolder;
  readonly #ended: (() => Session<Schema>) | undefined;
  #session: Session<Schema> | undefined;
  #database: SessionDatabase<Schema> | undefined;

  /**
   * @param session The session of the task.
   * @param database The session, or the handle of the innermost block.
   * @param ended A session that has closed, to stand for it; without one it is
   * kept.
   */
  constructor(
    session: Session<Schema>,
    database: SessionDatabase<Schema>,
    ended: (() => Session<Schema>) | undefined,
  ) {
    this.holder = session.holder;
    this.#session = session;
    this.#database = database;
    this.#ended = ended;
    if (ended !== undefined) void session.closed.then(() => this.#letGo());
  }

  /** The session of the task. */
  get session(): Session<Schema> {
    return this.#session ?? this.#standIn;
  }

  /** The session, or the handle of the innermost block that runs. */
  get database(): SessionDatabase<Schema> {
    return this.#database ?? this.#standIn;
  }

  get #standIn(): Session<Schema> {
    if (this.#ended === undefined) throw new TypeError("Nothing was let go");
    return this.#ended();
  }

  #letGo(): void {
    this.#session = undefined;
    this.#database = undefined;
  }
}
