import type { PoolHolder } from "../driver/pool_holder.ts";
import type { Engine } from "../engine/engine.ts";

/** From the making of a session to the return of its last connection. */
export class Lifetime {
  /** Resolves at its end. */
  readonly over: Promise<void>;
  readonly #engine: Engine;
  readonly #holder: PoolHolder;
  #markOver = () => {};

  /**
   * @param engine Tells its listeners.
   * @param holder The session, as they are told.
   * @param place Where it was made, in development mode.
   */
  constructor(engine: Engine, holder: PoolHolder, place: string) {
    this.over = new Promise((resolve) => this.#markOver = resolve);
    this.#engine = engine;
    this.#holder = holder;
    engine.emit({ type: "sessionOpen", session: holder, place });
  }

  /** Ends it when a promise settles that never rejects. */
  async endAfter(returned: Promise<void>): Promise<void> {
    await returned;
    this.#engine.emit({ type: "sessionClose", session: this.#holder });
    this.#markOver();
  }
}
