import type { Entry, EntryState } from "./entry.ts";
import { restoreValues } from "./entry_values.ts";
import type { EntityMaker } from "./new_entity.ts";
import { entityKey, type IdentityMap, rowKey } from "./identity_map.ts";
import type { KeptValue } from "./kept_value.ts";

/** An entry as it was. */
interface UndoRecord {
  readonly entry: Entry;
  readonly state: EntryState;
  readonly row: KeptValue[];
  readonly isTracked: boolean;
}

/**
 * What a rollback has to bring back: each entry as it was before each change
 * of what the session knows of it.
 */
export class UndoLog {
  readonly #map: IdentityMap;
  readonly #maker: EntityMaker;
  readonly #records: UndoRecord[] = [];

  /**
   * @param map Where the entries are.
   * @param maker Hides what is not known.
   */
  constructor(map: IdentityMap, maker: EntityMaker) {
    this.#map = map;
    this.#maker = maker;
  }

  /** How far it is; give it to `undo`. */
  get mark(): number {
    return this.#records.length;
  }

  /** Remembers an entry as it is now. */
  note(entry: Entry): void {
    this.#records.push({
      entry,
      state: entry.state,
      row: entry.row,
      isTracked: this.#map.of(entry.entity) === entry,
    });
  }

  /** Forgets all: what was done stays. */
  clear(): void {
    this.#records.length = 0;
  }

  /**
   * Brings back what was noted since a mark, and gives every entity the values
   * that its row has.
   *
   * @param mark How far it was.
   */
  undo(mark: number): void {
    for (const { entry, state, row, isTracked } of this.#since(mark)) {
      this.#map.delete(entry);
      entry.state = state;
      entry.row = row;
      // What was read since then may be the work that is undone.
      entry.readIn = NEVER;
      entry.key = state === "new"
        ? entityKey(entry.table, entry.entity)
        : rowKey(entry);
      if (isTracked) this.#map.set(entry);
    }
    for (const entry of this.#map.entries) {
      if (entry.state !== "new") restoreValues(entry, this.#maker);
    }
  }

  *#since(mark: number): Iterable<UndoRecord> {
    while (this.#records.length > mark) {
      const record = this.#records.pop();
      if (record !== undefined) yield record;
    }
  }
}

/** In place of the transaction that has read a row: it is to be read again. */
export const NEVER = -1;
