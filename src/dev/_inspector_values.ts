/** Characters of one value. */
const MAX_VALUE = 200;

/** Values of one statement. */
const MAX_VALUES = 100;

/**
 * Parameters as text to look at: what they are now, and not much of it.
 *
 * @param parameters Of one statement.
 */
export function valueTexts(parameters: readonly unknown[]): string[] {
  const texts = parameters.slice(0, MAX_VALUES).map(valueText);
  const more = parameters.length - texts.length;
  return more > 0 ? [...texts, `… and ${more} more`] : texts;
}

function valueText(value: unknown): string {
  const text = plainText(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text;
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
