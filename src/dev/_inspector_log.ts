import { lineage, type PoolHolder } from "../driver/pool_holder.ts";
import type { EngineEvent } from "../events/event.ts";
import type { Lane } from "./_inspector_lane.ts";
import { LaneRecorder } from "./_inspector_recorder.ts";
import { InspectorTexts } from "./_inspector_texts.ts";

/**
 * The sessions that began last, each as a lane, told apart by identity. What it
 * keeps is bounded; it keeps no session, and no value unless events have some.
 */
export class InspectorLog {
  readonly #limit: number;
  readonly #texts = new InspectorTexts();
  readonly #lanes = new Map<number, LaneRecorder>();
  readonly #ids = new WeakMap<PoolHolder, number>();
  readonly #watchers = new Set<(id: number) => void>();
  #lastId = 0;

  /** @param limit How many lanes are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of the oldest lane that is kept. */
  get first(): number {
    const [first = this.#lastId + 1] = this.#lanes.keys();
    return first;
  }

  /** The numbers of all lanes that are kept, in order. */
  get ids(): readonly number[] {
    return [...this.#lanes.keys()];
  }

  /**
   * Whether a lane is kept.
   *
   * @param id Its number.
   */
  has(id: number): boolean {
    return this.#lanes.has(id);
  }

  /** Characters of SQL that are kept. */
  get textSize(): number {
    return this.#texts.size;
  }

  /**
   * Takes an event in.
   *
   * @param event What happened; what is nobody's is nobody's lane.
   * @param now When, in milliseconds of one clock.
   */
  take(event: EngineEvent, now: number): void {
    if (!("session" in event) || event.session === undefined) return;
    const id = this.#ids.get(event.session) ??
      this.#open(event.session, event, now);
    const recorder = this.#lanes.get(id);
    if (recorder === undefined) return;
    recorder.take(event, now);
    for (const watch of this.#watchers) watch(id);
  }

  /**
   * Leaves a session out, also what is told of it from now on.
   *
   * @param holder The session.
   */
  leaveOut(holder: PoolHolder): void {
    const id = this.#ids.get(holder);
    if (id === undefined) return;
    this.#drop(id);
    for (const watch of this.#watchers) watch(id);
  }

  /**
   * A lane as it is now.
   *
   * @param id Its number.
   * @returns It, as long as it is kept.
   */
  lane(id: number): Lane | undefined {
    return this.#lanes.get(id)?.lane();
  }

  /**
   * The parameters of a lane's statements, where events had some.
   *
   * @param id Its number.
   * @returns Texts by place of the step, as long as it is kept.
   */
  values(id: number): Record<number, readonly string[]> | undefined {
    return this.#lanes.get(id)?.values();
  }

  /**
   * Calls back with the number of each lane that changes or is left out.
   *
   * @param watch Called back.
   * @returns Ends it.
   */
  watch(watch: (id: number) => void): () => void {
    this.#watchers.add(watch);
    return () => this.#watchers.delete(watch);
  }

  #open(holder: PoolHolder, event: EngineEvent, now: number): number {
    const id = ++this.#lastId;
    const isSession = event.type === "sessionOpen";
    this.#ids.set(holder, id);
    this.#lanes.set(
      id,
      new LaneRecorder({
        id,
        parent: this.#parentOf(holder),
        name: holder.name,
        place: isSession ? event.place : "",
        openedAt: startOf(event, now),
        isSession,
      }, this.#texts),
    );
    if (this.#lanes.size > this.#limit) this.#drop(this.first);
    return id;
  }

  /** The nearest one that has a lane. */
  #parentOf(holder: PoolHolder): number | undefined {
    for (const each of lineage(holder.parent)) {
      const id = this.#ids.get(each);
      if (id !== undefined) return id;
    }
    return undefined;
  }

  #drop(id: number): void {
    this.#lanes.get(id)?.end();
    this.#lanes.delete(id);
  }
}

/** What is told at its end began before. */
function startOf(event: EngineEvent, now: number): number {
  return "duration" in event ? now - event.duration : now;
}
