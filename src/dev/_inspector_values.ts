import type { Step } from "./_inspector_lane.ts";

/** Characters of one value. */
const MAX_VALUE = 200;

/** Values of one statement. */
const MAX_VALUES = 100;

/** Characters of all values of a lane; of what comes later there are none. */
const MAX_ALL = 100_000;

/** The parameters of a lane's statements, as text to look at. */
export class KeptValues {
  readonly #texts = new Map<Step, readonly string[]>();
  #size = 0;

  /**
   * Parameters as text: what they are now, and not much of it.
   *
   * @param parameters Of one statement, where its event had some.
   * @returns One text each; nothing where there is no room for more.
   */
  textsOf(parameters: readonly unknown[] | undefined): string[] | undefined {
    if (parameters === undefined || this.#size >= MAX_ALL) return undefined;
    return valueTexts(parameters);
  }

  /**
   * Keeps them.
   *
   * @param step The statement.
   * @param texts Of its parameters.
   */
  keep(step: Step, texts: readonly string[]): void {
    this.#texts.set(step, texts);
    for (const { length } of texts) this.#size += length;
  }

  /**
   * What is kept.
   *
   * @param step The statement.
   */
  of(step: Step): readonly string[] | undefined {
    return this.#texts.get(step);
  }
}

function valueTexts(parameters: readonly unknown[]): string[] {
  const texts = parameters.slice(0, MAX_VALUES).map(valueText);
  const more = parameters.length - texts.length;
  return more > 0 ? [...texts, `… and ${more} more`] : texts;
}

function valueText(value: unknown): string {
  const text = plainText(value);
  if (text.length <= MAX_VALUE) return text;
  // Copied: a slice would keep all of the text in memory.
  return `${[...text.slice(0, MAX_VALUE - 1)].join("")}…`;
}

function plainText(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") {
    // A long one is not written twice in order to be cut.
    return JSON.stringify(value.slice(0, MAX_VALUE));
  }
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value) && value.length > MAX_VALUES) {
    return `an array of ${value.length}`;
  }
  try {
    return typeof value === "object"
      ? JSON.stringify(value) ?? String(value)
      : String(value);
  } catch {
    return "a value that cannot be shown";
  }
}
