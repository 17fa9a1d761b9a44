import type { Entry, EntryState } from "./entry.ts";
import { restoreValues } from "./entry_values.ts";
import { entityKey, type IdentityMap, rowKey } from "./identity_map.ts";
import type { KeptValue } from "./kept_value.ts";

/** An entry as it was. */
interface UndoRecord {
  readonly entry: Entry;
  readonly state: EntryState;
  readonly row: KeptValue[];
  readonly published: Entry["published"];
}

/**
 * What a rollback has to bring back: each entry as it was before each change
 * of what the session knows of it.
 */
export class UndoLog {
  readonly #map: IdentityMap;
  /** An entry stands for itself where it was not tracked before. */
  readonly #records: (UndoRecord | Entry)[] = [];
  /** How many were forgotten: places are counted through. */
  #forgotten = 0;
  /** The last place that somebody may go back to. */
  #lastMark = 0;

  /** @param map Where the entries are. */
  constructor(map: IdentityMap) {
    this.#map = map;
  }

  /** How far it is; give it to `undo`. */
  get mark(): number {
    this.#lastMark = this.#end;
    return this.#lastMark;
  }

  get #end(): number {
    return this.#forgotten + this.#records.length;
  }

  /** Remembers an entry as it is now, if nobody may go back to a later state. */
  note(entry: Entry): void {
    if (entry.notedAt >= this.#lastMark) return;
    entry.notedAt = this.#end;
    const isTracked = this.#map.of(entry.entity) === entry;
    const { state, row } = entry;
    const { published } = entry;
    this.#records.push(isTracked ? { entry, state, row, published } : entry);
  }

  /** Forgets all: what was done stays. */
  clear(): void {
    this.#forgotten = this.#end;
    this.#lastMark = this.#end;
    this.#records.length = 0;
  }

  /**
   * Brings back what was noted since a mark, and gives every entity the values
   * that its row has.
   *
   * @param mark How far it was; 0 for the beginning.
   */
  undo(mark: number): void {
    for (const record of this.#since(mark)) {
      const wasTracked = "entry" in record;
      const { state, row, published } = record;
      const entry = wasTracked ? record.entry : record;
      if (entry.isExpunged) continue;
      entry.state = state;
      entry.row = row;
      entry.published = published;
      entry.notedAt = NEVER;
      // What was read since then may be the work that is undone.
      entry.readIn = NEVER;
      if (!wasTracked) {
        this.#map.delete(entry);
        continue;
      }
      const key = state === "new"
        ? entityKey(entry.table, entry.entity)
        : rowKey(entry);
      this.#map.move(entry, key);
      // Another one may have had its key meanwhile.
      this.#map.set(entry);
    }
    for (const entry of this.#map.entries) {
      if (entry.state !== "new") this.#restore(entry);
    }
  }

  #restore(entry: Entry): void {
    try {
      restoreValues(entry);
    } catch {
      // Frozen, or a column cannot decode. Nobody can bring it back, and a
      // rollback that fails leaves the session neither here nor there.
      this.#map.forget(entry);
    }
  }

  *#since(mark: number): Iterable<UndoRecord | Entry> {
    while (this.#records.length > 0 && this.#end > mark) {
      const record = this.#records.pop();
      if (record !== undefined) yield record;
    }
  }
}

/** In place of the transaction that has read a row: it is to be read again. */
export const NEVER = -1;
