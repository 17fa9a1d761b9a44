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
  #session: Session<Schema> | undefined;
  #database: SessionDatabase<Schema> | undefined;
  /** Makes one that has closed; asked for by who comes too late. */
  readonly #standIn: () => Session<Schema>;

  /**
   * @param session The session of the task.
   * @param database The session, or the handle of the innermost block.
   * @param standIn Makes one that has closed, to stand for it.
   */
  constructor(
    session: Session<Schema>,
    database: SessionDatabase<Schema>,
    standIn: () => Session<Schema> = () => session,
  ) {
    this.holder = session.holder;
    this.identity = session.identity;
    this.#session = session;
    this.#database = database;
    this.#standIn = standIn;
  }

  /** The session of the task. */
  get session(): Session<Schema> {
    return this.#session ??= this.#standIn();
  }

  /** The session, or the handle of the innermost block that runs. */
  get database(): SessionDatabase<Schema> {
    return this.#database ?? this.session;
  }

  /**
   * Lets go of the session when it is closed: what an async context refers to
   * is found to be garbage late, and a session is much for that.
   */
  async letGoWhenClosed(): Promise<void> {
    await this.#session?.closed;
    this.#session = undefined;
    this.#database = undefined;
  }
}
