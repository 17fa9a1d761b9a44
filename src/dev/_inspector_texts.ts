import { statementShape } from "./_inspector_marks.ts";

/** SQL that is kept once, however often it was sent. */
export interface KeptText {
  /** It, or its beginning. */
  readonly text: string;
  /** What it is without its values. */
  readonly shape: string;
}

interface Entry extends KeptText {
  readonly key: string;
  uses: number;
}

/** Characters of one text. */
const MAX_TEXT = 10_000;

/** Characters of all; what comes on top of them is cut short. */
const MAX_ALL = 4_000_000;

/** What is left of a text when there are too many. */
const SHORT_TEXT = 200;

/** The SQL of all lanes, each text once, as long as a lane has it. */
export class InspectorTexts {
  readonly #entries = new Map<string, Entry>();
  #size = 0;

  /** Characters that are kept. */
  get size(): number {
    return this.#size;
  }

  /**
   * Keeps a text.
   *
   * @param full The statement.
   * @returns What is kept of it; to be let go once.
   */
  keep(full: string): KeptText {
    const key = cut(full, MAX_TEXT);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.uses++;
      return known;
    }
    const isTooMuch = this.#size + key.length > MAX_ALL;
    const text = isTooMuch ? cut(key, SHORT_TEXT) : key;
    const shape = statementShape(text);
    if (isTooMuch) return { text, shape };
    const entry = { key, text, shape, uses: 1 };
    this.#entries.set(key, entry);
    this.#size += key.length;
    return entry;
  }

  /**
   * Lets a text go that was kept.
   *
   * @param kept What `keep()` has returned.
   */
  letGo(kept: KeptText): void {
    const entry = this.#entries.get(kept.text);
    if (entry !== kept || --entry.uses > 0) return;
    this.#entries.delete(entry.key);
    this.#size -= entry.key.length;
  }
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
