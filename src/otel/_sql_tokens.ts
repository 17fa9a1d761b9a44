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
 * In this order (PostgreSQL, "Lexical Structure"). A text that ends inside of
 * quotes is a literal up to its end: it must not be told either.
 */
const PATTERNS: readonly (readonly [TokenKind, string])[] = [
  ["space", String.raw`\s+`],
  ["comment", String.raw`--[^\n]*`],
  // An escape string goes on behind a line break, escapes and all.
  [
    "literal",
    String
      .raw`[eE]'(?:[^'\\]|\\(?:[^]|$)|'')*(?:'|$)(?:\s*\n\s*'(?:[^'\\]|\\(?:[^]|$)|'')*(?:'|$))*`,
  ],
  ["literal", String.raw`(?:[uU]&|[bBnNxX])?'(?:[^']|'')*(?:'|$)`],
  ["placeholder", String.raw`\$\d+`],
  [
    "literal",
    String
      .raw`\$(?<tag>(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[^]*?(?:\$\k<tag>\$|$)`,
  ],
  ["quoted", String.raw`(?:[uU]&)?"(?:[^"]|"")*(?:"|$)`],
  ["word", String.raw`[A-Za-z_\u0080-\uffff]${LETTERS}*`],
  // Letters behind digits belong to nothing else.
  ["literal", String.raw`(?:\d\w*(?:\.\w*)?|\.\d\w*)(?:(?<=[eE])[+-]\d+)?`],
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

/**
 * Takes SQL text apart, as PostgreSQL does where strings conform to the
 * standard (`standard_conforming_strings`, its default).
 *
 * @param text SQL text, which need not be correct.
 * @param limit At which character no further piece begins.
 */
export function* tokensOf(
  text: string,
  limit: number = Infinity,
): Generator<Token> {
  let at = 0;
  while (at < Math.min(text.length, limit)) {
    const token = text.startsWith("/*", at)
      ? { kind: "comment" as const, text: blockComment(text, at) }
      : tokenAt(text, at);
    at += token.text.length;
    yield token;
  }
}

function tokenAt(text: string, at: number): Token {
  TOKEN.lastIndex = at;
  const groups = TOKEN.exec(text)?.slice(1) ?? [];
  const group = groups.findIndex((found, index) =>
    found !== undefined && KINDS[index] !== undefined
  );
  return {
    kind: KINDS[group] ?? "sign",
    text: groups[group] ?? text.charAt(at),
  };
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
