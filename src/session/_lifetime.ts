import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Engine } from "../engine/engine.ts";
import type { SessionStats } from "./session_stats.ts";

/** From the making of a session to the return of its last connection. */
export class Lifetime {
  /** Resolves at its end. */
  readonly over: Promise<void>;
  readonly #engine: Engine;
  readonly #holder: PoolHolder;
  readonly #stats: SessionStats;
  #markOver = () => {};

  /**
   * @param engine Tells its listeners.
   * @param owner The session, as they are told, and what it costs.
   * @param place Where it was made, in development mode.
   */
  constructor(
    engine: Engine,
    { holder, stats }: {
      readonly holder: PoolHolder;
      readonly stats: SessionStats;
    },
    place: string,
  ) {
    this.over = new Promise((resolve) => this.#markOver = resolve);
    this.#engine = engine;
    this.#holder = holder;
    this.#stats = stats;
    engine.emit({ type: "sessionOpen", session: holder, place });
  }

  /** Ends it when a promise settles that never rejects; the engine waits. */
  endAfter(returned: Promise<void>): void {
    this.#engine.settle(this.#endAfter(returned));
  }

  async #endAfter(returned: Promise<void>): Promise<void> {
    await returned;
    const { statements, roundTrips } = this.#stats;
    this.#engine.emit({
      type: "sessionClose",
      session: this.#holder,
      statements,
      roundTrips,
    });
    this.#markOver();
  }
}
