import type { Session } from "../drizzle/session.ts";
import type { SessionIdentity } from "../drizzle/session_options.ts";
import type { SessionDatabase } from "../drizzle/sessionmaker.ts";
import type { PoolHolder } from "../driver/pool_holder.ts";

/**
 * Who is current in an async context.
 *
 * @typeParam Schema The schema of the session.
 */
export class ScopeEntry<Schema extends Record<string, unknown>> {
  /** The session as a pool sees it. */
  readonly holder: PoolHolder;
  /** For whom the task speaks, also when its session has closed. */
  readonly identity: SessionIdentity;
  #session: Session<Schema>;
  #database: SessionDatabase<Schema>;

  /**
   * @param session The session of the task.
   * @param database The session, or the handle of the innermost block.
   */
  constructor(session: Session<Schema>, database: SessionDatabase<Schema>) {
    this.holder = session.holder;
    this.identity = session.identity;
    this.#session = session;
    this.#database = database;
  }

  /** The session of the task. */
  get session(): Session<Schema> {
    return this.#session;
  }

  /** The session, or the handle of the innermost block that runs. */
  get database(): SessionDatabase<Schema> {
    return this.#database;
  }

  /**
   * Lets go of the session when it is closed: what an async context refers to
   * is found to be garbage late, and a session is much for that.
   *
   * @param standIn Gives one that has closed, to stand for it.
   */
  async letGoWhenClosed(standIn: () => Session<Schema>): Promise<void> {
    await this.#session.closed;
    this.#session = standIn();
    this.#database = this.#session;
  }
}
