/**
 * Whether texts have no more bytes than that as strings of JSON, in UTF-8. Most
 * have so few characters that nobody has to look at them.
 *
 * @param texts The texts; `null` stands for itself.
 * @param limit So many bytes; what is between the texts is not counted.
 */
export function fitsAsJson(
  texts: readonly (string | null)[],
  limit: number,
): boolean {
  const most = texts.reduce((sum, text) => sum + mostBytes(text), 0);
  if (most <= limit) return true;
  let sum = 0;
  for (const text of texts) {
    sum += text === null ? NULL_BYTES : jsonBytes(text);
    if (sum > limit) return false;
  }
  return true;
}

const NULL_BYTES = 4;
/** Of an escape such as `\u0001`; no character has more. */
const MOST_PER_CHARACTER = 6;

function mostBytes(text: string | null): number {
  return text === null ? NULL_BYTES : 2 + MOST_PER_CHARACTER * text.length;
}

/**
 * How many bytes a text has as a string of JSON, in UTF-8: the list of a column
 * is quoted twice, which may double it.
 *
 * @param text The text.
 */
export function jsonBytes(text: string): number {
  let bytes = 2;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (SHORT_ESCAPES.has(code)) bytes += 2;
    else if (code < FIRST_PRINTABLE) bytes += 6;
    else if (code < FIRST_OF_TWO_BYTES) bytes += 1;
    // Half of a pair, of which both halves have four.
    else if (code < FIRST_OF_THREE_BYTES || isHalf(code)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}

/** Quote, backslash, and control characters that have a letter. */
const SHORT_ESCAPES: ReadonlySet<number> = new Set(
  Array.from('"\\\b\t\n\f\r', (letter) => letter.charCodeAt(0)),
);
const FIRST_PRINTABLE = 0x20;
const FIRST_OF_TWO_BYTES = 0x80;
const FIRST_OF_THREE_BYTES = 0x800;

function isHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}
