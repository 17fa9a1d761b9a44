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
