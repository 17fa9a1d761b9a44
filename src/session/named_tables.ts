/** Words that may stand before a parenthesis without being a function. */
const KEYWORDS: ReadonlySet<string> = new Set(
  ("all and any array as between by case distinct else end except exists " +
    "filter from having ilike in intersect is join lateral like limit not " +
    "offset on or order over select some then union using values when where " +
    "with within").split(" "),
);

/** A literal, a quoted name, a word, or one other character. */
const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$[a-z_]*\$|[a-z_][\w$]*|[\d.]+|\$\d+|\S/gi;

/**
 * The tables that a select names, also inside joins, subqueries and CTEs. The
 * SQL is that of a query builder: it quotes every name.
 *
 * @param text The SQL.
 * @param isTable Tells whether a name, with its schema if it has one, is that
 * of a table: a view may be made of any.
 * @param isPure Tells whether a function, with its schema if it has one, is
 * known to do nothing but compute.
 * @returns Nothing where that cannot be told: it names what is no table, calls
 * a function that may read some, or holds SQL of somebody's own.
 */
export function namedTables(
  text: string,
  isTable: (name: string) => boolean,
  isPure: (name: string) => boolean,
): ReadonlySet<string> | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined) return undefined;
  const ctes = cteNames(tokens);
  const found = new Set<string>();
  for (const [at, token] of tokens.entries()) {
    const word = token.toLowerCase();
    if (isCall(tokens, at)) {
      if (!isPure(functionName(tokens, at))) return undefined;
      continue;
    }
    // PostgreSQL, `TABLE name`: no builder writes it.
    if (word === "table") return undefined;
    if (word !== "from" && word !== "join") continue;
    let next = at + 1;
    while (/^(lateral|only)$/i.test(tokens[next] ?? "")) next++;
    if (tokens[next] === "(") continue;
    const [name, end] = dottedName(tokens, next);
    if (name === undefined) return undefined;
    if (!ctes.has(name)) {
      if (!isTable(name)) return undefined;
      found.add(name);
    }
    // A list of tables: no builder writes one.
    const behind = isQuoted(tokens[end]) ? end + 1 : end;
    if (tokens[behind] === ",") return undefined;
  }
  return found;
}

function tokensOf(text: string): string[] | undefined {
  const tokens = text.replace(/;\s*$/, "").match(TOKEN) ?? [];
  const isPlain =
    tokens.every((token) =>
      !/^\$[a-z_]*\$$/i.test(token) && token !== ";" && token !== '"'
    ) && !/--|\/\*/.test(text.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ""));
  return isPlain ? tokens : undefined;
}

/** A word or a name with a parenthesis behind it that calls something. */
function isCall(tokens: readonly string[], at: number): boolean {
  const token = tokens[at] ?? "";
  if (tokens[at + 1] !== "(") return false;
  if (isQuoted(token)) return true;
  return /^[a-z_]/i.test(token) && !KEYWORDS.has(token.toLowerCase());
}

/** With its schema, because one may have a function of any name. */
function functionName(tokens: readonly string[], at: number): string {
  const parts: string[] = [];
  let next = at;
  do {
    const token = tokens[next] ?? "";
    parts.unshift(isQuoted(token) ? unquoted(token) : token.toLowerCase());
    next -= 2;
  } while (tokens[next + 1] === ".");
  return parts.join(".");
}

/** Names of CTEs: `with "name" as (`, and behind a comma. */
function cteNames(tokens: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [at, token] of tokens.entries()) {
    if (
      !isQuoted(token) || !/^(with|recursive|,)$/i.test(tokens[at - 1] ?? "")
    ) {
      continue;
    }
    const isCte = /^as$/i.test(tokens[at + 1] ?? "") && tokens[at + 2] === "(";
    if (isCte) names.add(unquoted(token));
  }
  return names;
}

/** A name with its schema, and where it ends. */
function dottedName(
  tokens: readonly string[],
  start: number,
): [name: string | undefined, end: number] {
  const parts: string[] = [];
  let at = start;
  for (;;) {
    const token = tokens[at];
    if (token === undefined || !isQuoted(token)) return [undefined, at];
    parts.push(unquoted(token));
    at++;
    if (tokens[at] !== ".") return [parts.join("."), at];
    at++;
  }
}

function isQuoted(token: string | undefined): boolean {
  return token?.[0] === '"';
}

function unquoted(token: string): string {
  return token.slice(1, -1).replaceAll('""', '"');
}
