/** Words that may stand before a parenthesis without being a function. */
const KEYWORDS: ReadonlySet<string> = new Set(
  ("all and any array as between by case distinct else end except exists " +
    "filter from having ilike in intersect is join lateral like limit not " +
    "offset on or order over select some then union using values when where " +
    "with within").split(" "),
);

/**
 * PostgreSQL's functions that are called without parentheses. They are
 * reserved: as a name each has to be quoted.
 */
const WORD_FUNCTIONS: ReadonlySet<string> = new Set(
  ("current_catalog current_date current_role current_schema current_time " +
    "current_timestamp current_user localtime localtimestamp session_user " +
    "system_user user").split(" "),
);

/**
 * PostgreSQL, "Special Date/Time Inputs": a literal that means another time in
 * each transaction, once it is cast, or compared with a time.
 */
const SPECIAL_TIME =
  /^'.*(?<![a-z])(?:now|today|tomorrow|yesterday)(?![a-z])/is;

/** A literal, a quoted name, a word, or one other character. */
const TOKEN =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$[a-z_]*\$|[a-z_\x80-\uffff][\w$\x80-\uffff]*|[\d.]+|\$\d+|\S/gi;

/** Words that end a list of tables. */
const CLAUSES: ReadonlySet<string> = new Set(
  ("select where group having window union intersect except order limit " +
    "offset fetch for").split(" "),
);

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
  const found = new Set<string>();
  const nesting = new Nesting(tokens);
  for (const at of tokens.keys()) {
    const word = wordAt(tokens, at);
    if (isCall(tokens, at) || WORD_FUNCTIONS.has(word)) {
      if (!isPure(functionName(tokens, at))) return undefined;
      continue;
    }
    if (SPECIAL_TIME.test(tokens[at] ?? "")) return undefined;
    nesting.enter(at, word);
    // PostgreSQL, `TABLE name`, and a list of tables: no builder writes them.
    const isOwn = word === "table" || (word === "," && nesting.isAmongTables);
    if (isOwn) return undefined;
    if (word !== "from" && word !== "join") continue;
    const next = /^lateral$/i.test(tokens[at + 1] ?? "") ? at + 2 : at + 1;
    if (isSubquery(tokens, next)) continue;
    const name = dottedName(tokens, next);
    if (name === undefined) return undefined;
    if (tokens[next + 1] !== "." && nesting.hasCte(name)) continue;
    if (!isTable(name)) return undefined;
    found.add(name);
  }
  return found;
}

function tokensOf(text: string): string[] | undefined {
  const tokens = text.replace(/;\s*$/, "").match(TOKEN) ?? [];
  const isPlain =
    tokens.every((token, at) =>
      !/^(?:\$[a-z_]*\$|[;"'$])$/i.test(token) &&
      // PostgreSQL, `E'..'`: a backslash may hide where it ends.
      !(token.startsWith("'") && /^e$/i.test(tokens[at - 1] ?? ""))
    ) &&
    !/--|\/\*/.test(text.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, ""));
  return isPlain ? tokens : undefined;
}

/** A token as a keyword: behind a dot any word is a name. */
function wordAt(tokens: readonly string[], at: number): string {
  return tokens[at - 1] === "." ? "" : tokens[at]?.toLowerCase() ?? "";
}

/** What stands between two parentheses, as far as it was read. */
interface Level {
  /** The CTE whose SQL it is. */
  readonly cte: string | undefined;
  /** The CTEs that are known in it. */
  readonly ctes: Set<string>;
  /** Whether they are known in their own SQL, too. */
  isRecursive: boolean;
  isAmongTables: boolean;
}

/** Where in the SQL a token stands, and which CTEs are known there. */
class Nesting {
  readonly #tokens: readonly string[];
  readonly #levels: Level[] = [newLevel(undefined)];

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /** Follows the SQL by one token. */
  enter(at: number, word: string): void {
    const level = this.#levels.at(-1);
    if (level === undefined) return;
    if (word === "(") this.#open(at, level);
    else if (word === ")") this.#close();
    else if (word === "with") {
      level.isRecursive = wordAt(this.#tokens, at + 1) === "recursive";
    } else if (word === "from") level.isAmongTables = true;
    else if (CLAUSES.has(word)) level.isAmongTables = false;
  }

  #open(at: number, level: Level): void {
    const cte = cteName(this.#tokens, at);
    if (cte !== undefined && level.isRecursive) level.ctes.add(cte);
    this.#levels.push(newLevel(cte));
  }

  /** From here on a CTE is known; inside, its name was that of a table. */
  #close(): void {
    const cte = this.#levels.pop()?.cte;
    if (cte !== undefined) this.#levels.at(-1)?.ctes.add(cte);
  }

  /** Whether a comma would lead to another table. */
  get isAmongTables(): boolean {
    return this.#levels.at(-1)?.isAmongTables ?? false;
  }

  /** Whether a name means a CTE. */
  hasCte(name: string): boolean {
    return this.#levels.some(({ ctes }) => ctes.has(name));
  }
}

function newLevel(cte: string | undefined): Level {
  return {
    cte,
    ctes: new Set(),
    isRecursive: false,
    isAmongTables: false,
  };
}

/** The name of a CTE: `with "name" as (`, and behind a comma. */
function cteName(tokens: readonly string[], at: number): string | undefined {
  const name = tokens[at - 2];
  const isCte = isQuoted(name) && wordAt(tokens, at - 1) === "as" &&
    /^(with|recursive|,)$/.test(wordAt(tokens, at - 3));
  return isCte && name !== undefined ? unquoted(name) : undefined;
}

/** Whether a parenthesis holds a select; tables may be joined in one, too. */
function isSubquery(tokens: readonly string[], start: number): boolean {
  let at = start;
  while (tokens[at] === "(") at++;
  return at > start && /^(select|with|values)$/i.test(tokens[at] ?? "");
}

/** A word or a name with a parenthesis behind it that calls something. */
function isCall(tokens: readonly string[], at: number): boolean {
  const token = tokens[at] ?? "";
  if (tokens[at + 1] !== "(") return false;
  if (isQuoted(token)) return true;
  return /^[a-z_\x80-\uffff]/i.test(token) &&
    !KEYWORDS.has(token.toLowerCase());
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

/** A name with its schema. */
function dottedName(
  tokens: readonly string[],
  start: number,
): string | undefined {
  const parts: string[] = [];
  for (let at = start;; at += 2) {
    const token = tokens[at];
    if (token === undefined || !isQuoted(token)) return undefined;
    parts.push(unquoted(token));
    if (tokens[at + 1] !== ".") return parts.join(".");
  }
}

function isQuoted(token: string | undefined): boolean {
  return token?.[0] === '"';
}

function unquoted(token: string): string {
  return token.slice(1, -1).replaceAll('""', '"');
}
