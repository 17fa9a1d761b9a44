/**
 * A word, what stands in the way of words (strings, names in quotes, comments),
 * or one character; a search for it goes over white space. Of what stands in
 * quotes it is the beginning, as an expression fails in a long text.
 */
const PIECE =
  /--|\/\*|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[eE]?'|"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[^ \t\n\r\f\v]/g;

/** PostgreSQL takes the one for the other, whichever the direction. */
const CLIENT = new Set(["stdin", "stdout"]);

/**
 * Whether one of the statements of a text is a COPY that waits for the client's
 * data.
 *
 * It looks for words, since quotes, brackets and comments need no space around
 * them. Strings are those of `standard_conforming_strings`, the default.
 *
 * @param text SQL, which need not be correct.
 */
export function copiesIn(text: string): boolean {
  let isCopy = false;
  let place = 0;
  let before = "";
  for (const piece of wordsOf(text)) {
    if (piece === ";") {
      place = 0;
      continue;
    }
    if (place === 0) isCopy = piece === "copy";
    // A query in brackets can only be read, and may have a table of that name.
    else if (place === 1 && piece === "(") isCopy = false;
    else if (isCopy && before === "from" && CLIENT.has(piece)) return true;
    before = piece;
    place++;
  }
  return false;
}

/** Words in small letters, and the first characters of all but comments. */
function* wordsOf(text: string): Generator<string> {
  let isEscaped = false;
  let at = 0;
  for (;;) {
    PIECE.lastIndex = at;
    const found = PIECE.exec(text);
    if (found === null) return;
    const piece = found[0].toLowerCase();
    at = found.index + found[0].length;
    if (piece === "--") at = behind(text, at, /([\r\n])/g);
    else if (piece === "/*") at = behindComment(text, at);
    else {
      // An escape string may go on behind a line break, escapes and all.
      isEscaped = piece === "e'" || isEscaped && piece === "'";
      if (isEscaped) at = behind(text, at, /\\[^]|(')/g);
      else if (piece === "'") at = behind(text, at, /(')/g);
      else if (piece === '"') at = behind(text, at, /(")/g);
      else if (/^\$.*\$$/.test(piece)) at = behindText(text, at, found[0]);
      yield piece;
    }
  }
}

/** Behind the first mark whose group has matched. */
function behind(text: string, start: number, marks: RegExp): number {
  marks.lastIndex = start;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[1] !== undefined) return marks.lastIndex;
  }
  return text.length;
}

/** Comments may lie in one another, as in PostgreSQL. */
function behindComment(text: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 1;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}

function behindText(text: string, start: number, end: string): number {
  const found = text.indexOf(end, start);
  return found < 0 ? text.length : found + end.length;
}
