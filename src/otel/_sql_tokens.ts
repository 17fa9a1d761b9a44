/** What a piece of SQL text is. */
export type TokenKind =
  | "space"
  | "comment"
  | "literal"
  | "placeholder"
  | "word"
  | "quoted"
  | "sign";

/** A piece of SQL text. */
export interface Token {
  /** What it is. */
  readonly kind: TokenKind;
  /** As it was written. */
  readonly text: string;
}

/** Letters of a name, beyond the first. */
const LETTERS = String.raw`[\w$\u0080-\uffff]`;

/**
 * In this order (PostgreSQL, "Lexical Structure"). Of what stands in quotes it
 * is the beginning: an expression that looks for the end fails in a long text.
 */
const PATTERNS: readonly (readonly [TokenKind, string])[] = [
  // No other space: all that PostgreSQL does not know is a letter.
  ["space", String.raw`[ \t\n\r\f\v]+`],
  ["comment", String.raw`--[^\n\r]*`],
  ["literal", String.raw`(?:[uU]&|[bBeEnNxX])?'`],
  ["placeholder", String.raw`\$\d+`],
  [
    "literal",
    String
      .raw`\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[^]*?(?:\$\k<tag>\$|$)`,
  ],
  ["quoted", String.raw`(?:[uU]&)?"`],
  ["word", String.raw`[A-Za-z_\u0080-\uffff]${LETTERS}*`],
  // Letters behind digits belong to nothing else.
  ["literal", String.raw`(?:\d\w*(?:\.\w*)?|\.\d\w*)(?:(?<=[eE])[+-]\d\w*)?`],
  ["sign", "[^]"],
];

const TOKEN = new RegExp(
  PATTERNS.map(([, pattern]) => `(${pattern})`).join("|"),
  "y",
);

/** What each group of the expression is; the tag of a dollar quote is none. */
const KINDS: readonly (TokenKind | undefined)[] = PATTERNS.flatMap((
  [kind, pattern],
) => pattern.includes("(?<tag>") ? [kind, undefined] : [kind]);

/** What begins a string or a name, up to its quote. */
const OPENING = /^(?:[uU]&|[bBeEnNxX])?['"]$/;

/** What may end a string or a name: of two characters, it does not. */
const STRING_MARK = /''|'/g;
const ESCAPE_STRING_MARK = /\\[^]|''|'/g;
const NAME_MARK = /""|"/g;

/** Whether a string may go on where another piece begins. */
type Continuation = "none" | "same line" | "next line";

/**
 * Takes SQL text apart, as PostgreSQL does where strings conform to the
 * standard (`standard_conforming_strings`, its default). A text that ends
 * inside of quotes is a literal up to its end: it must not be told either.
 *
 * @param text SQL text, which need not be correct.
 * @param limit At which character no further piece begins.
 */
export function* tokensOf(
  text: string,
  limit: number = Infinity,
): Generator<Token> {
  let at = 0;
  // An escape string goes on behind a line break, escapes and all.
  let continuation: Continuation = "none";
  while (at < Math.min(text.length, limit)) {
    const isEscaped: boolean = continuation === "next line" && text[at] === "'";
    const token = tokenAt(text, at, isEscaped ? "E" : "");
    continuation = isEscaped ? "same line" : continued(token, continuation);
    at += token.text.length;
    yield token;
  }
}

function continued({ kind, text }: Token, before: Continuation): Continuation {
  if (kind === "literal" && /^[eE]'/.test(text)) return "same line";
  if (before === "none" || text.startsWith("/*")) return "none";
  if (kind === "comment") return before;
  if (kind !== "space") return "none";
  return /[\n\r]/.test(text) ? "next line" : before;
}

/** The piece that begins at a character; a string has the given prefix, too. */
function tokenAt(text: string, at: number, prefix: string): Token {
  if (text.startsWith("/*", at)) {
    return { kind: "comment", text: blockComment(text, at) };
  }
  TOKEN.lastIndex = at;
  const groups = TOKEN.exec(text)?.slice(1) ?? [];
  const group = groups.findIndex((found, index) =>
    found !== undefined && KINDS[index] !== undefined
  );
  const kind = KINDS[group] ?? "sign";
  const found = groups[group] ?? text.charAt(at);
  if (!OPENING.test(found)) return { kind, text: found };
  const end = quotesEnd(text, at + found.length, markOf(prefix + found));
  return end === undefined
    ? { kind: "literal", text: text.slice(at) }
    : { kind, text: text.slice(at, end) };
}

function markOf(opening: string): RegExp {
  if (opening.endsWith('"')) return NAME_MARK;
  return /^[eE]/.test(opening) ? ESCAPE_STRING_MARK : STRING_MARK;
}

/** Behind the mark that ends what stands in quotes, if one does. */
function quotesEnd(
  text: string,
  start: number,
  marks: RegExp,
): number | undefined {
  marks.lastIndex = start;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0].length === 1) return marks.lastIndex;
  }
  return undefined;
}

/** They may lie in one another, as in PostgreSQL. */
function blockComment(text: string, start: number): string {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return text.slice(start, marks.lastIndex);
  }
  return text.slice(start);
}
