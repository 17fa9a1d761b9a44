import type { TableInfo } from "./table_info.ts";

/** What tracks entities. */
interface EntityTracker {
  /** The table of an entity that it has, or had. */
  knownTable(entity: object): TableInfo | undefined;
}

/** How many may be held before those that are garbage are looked for. */
const MANY = 1_000;

/**
 * Knows of which table an entity is, whichever session it belongs to, so that a
 * message can say so. It is asked in case of an error only: what it costs is
 * one weak reference per session that tracks any.
 */
export class KnownEntities {
  #trackers: WeakRef<EntityTracker>[] = [];
  #limit = MANY;

  /**
   * Remembers who tracks entities, as long as somebody else does.
   *
   * @param tracker What a session has.
   */
  join(tracker: EntityTracker): void {
    // Workers have it since a compatibility date of 2025.
    if (typeof WeakRef === "undefined") return;
    if (this.#trackers.length >= this.#limit) {
      this.#trackers = this.#trackers.filter((each) => each.deref());
      this.#limit = Math.max(MANY, 2 * this.#trackers.length);
    }
    this.#trackers.push(new WeakRef(tracker));
  }

  /**
   * The table of an entity.
   *
   * @param entity The entity.
   * @returns Nothing where no session has ever had it.
   */
  tableOf(entity: object): TableInfo | undefined {
    for (const tracker of this.#trackers) {
      const table = tracker.deref()?.knownTable(entity);
      if (table !== undefined) return table;
    }
    return undefined;
  }
}
