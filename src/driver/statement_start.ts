const SKIPPED = /[\s;]/;
const END_OF_LINE = /[\r\n]/;

/**
 * Finds where a statement begins, behind white space, comments and semicolons.
 *
 * It reads character by character: a regular expression that skips comments
 * backtracks, and fails where there are too many of them. PostgreSQL's block
 * comments nest, which no regular expression can follow.
 *
 * @param text SQL.
 * @returns The text from its first word on; empty where there is none.
 */
export function statementStart(text: string): string {
  let at = 0;
  while (at < text.length) {
    if (text.startsWith("--", at)) at = endOfLine(text, at);
    else if (text.startsWith("/*", at)) at = endOfComment(text, at);
    else if (SKIPPED.test(text.charAt(at))) at++;
    else break;
  }
  return text.slice(at);
}

function endOfLine(text: string, start: number): number {
  let at = start;
  while (at < text.length && !END_OF_LINE.test(text.charAt(at))) at++;
  return at;
}

function endOfComment(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    if (text.startsWith("/*", at)) {
      depth++;
      at += 2;
    } else if (text.startsWith("*/", at)) {
      depth--;
      at += 2;
    } else at++;
  } while (depth > 0 && at < text.length);
  return at;
}
