import { TEXT_LIMIT } from "./_query_text.ts";
import { type Token, tokensOf } from "./_sql_tokens.ts";

/** What SQL text does, in the words that it was written in. */
export interface QuerySummary {
  /** Operations and their targets, such as `insert orders select products`. */
  readonly summary: string;
  /** Its operation, where it has one. */
  readonly operation: string | undefined;
  /** Its table, where it has one operation on one table. */
  readonly collection: string | undefined;
}

/** `db.query.summary` has at most so many characters. */
const SUMMARY_LIMIT = 255;

/** What a part of a statement, between its brackets, has said so far. */
interface Frame {
  /** Which operation it is. */
  operation: string | undefined;
  /** Whether a comma is followed by another table. */
  isList: boolean;
  /** Whether it is an argument, as in `extract(year from x)`. */
  readonly isCall: boolean;
}

interface Part {
  readonly text: string;
  readonly isTarget: boolean;
}

/** Operations whose tables are looked for. */
const OPERATION = /^(?:select|insert|update|delete|merge)$/;
/** Words behind which a table stands. */
const BEFORE_TABLE = /^(?:from|join|into|using)$/;
/** Words that may stand between those and the table. */
const SKIPPED = /^(?:only|lateral|table|if|not|exists|concurrently|on)$/;
/** Words that end a list of tables. */
const ENDS_LIST =
  /^(?:where|group|having|window|order|limit|offset|fetch|for|set|values|returning|union|intersect|except|when)$/;
/** What is made, changed or dropped. */
const KIND_OF_OBJECT =
  /^(?:aggregate|collation|database|domain|extension|function|index|policy|procedure|publication|role|rule|schema|sequence|server|subscription|table|tablespace|trigger|type|user|view)$/;
/** Commands whose first name says on what. */
const WITH_TARGET = /^(?:call|copy|lock|truncate)$/;
/** A name that means the same without its quotes. */
const PLAIN_NAME = /^"([a-z_][a-z0-9_$]*)"$/;

/**
 * Says what SQL text does, without anything that could be a value: its
 * operations and their tables, in order (OpenTelemetry, "Generating a summary
 * of the query"). It is meant for grouping, and need not understand everything.
 *
 * @param text SQL text.
 */
export function summarize(text: string): QuerySummary {
  const tokens = [...tokensOf(text, TEXT_LIMIT)].filter(({ kind }) =>
    kind !== "space" && kind !== "comment"
  );
  const parts = withoutIdle(new Reader(tokens).read());
  const operations = parts.filter(({ isTarget }) => !isTarget);
  const targets = new Set(
    parts.filter(({ isTarget }) => isTarget).map((part) => part.text),
  );
  const [operation] = operations;
  const [collection] = targets;
  const isSingle = operations.length === 1;
  return {
    summary: limited(parts.map((part) => part.text)),
    operation: isSingle ? operation?.text : undefined,
    collection: isSingle && targets.size === 1 ? collection : undefined,
  };
}

/** Beside a write, a SELECT from no table says nothing. */
function withoutIdle(parts: readonly Part[]): readonly Part[] {
  const isWrite = parts.some(({ text, isTarget }) =>
    !isTarget && /^(?:insert|update|delete|merge)$/i.test(text)
  );
  if (!isWrite) return parts;
  return parts.filter(({ text, isTarget }, index) =>
    isTarget || !/^select$/i.test(text) || parts[index + 1]?.isTarget === true
  );
}

function limited(words: readonly string[]): string {
  let summary = "";
  for (const word of words) {
    const longer = summary === "" ? word : `${summary} ${word}`;
    if (longer.length > SUMMARY_LIMIT) break;
    summary = longer;
  }
  return summary;
}

/** Reads a statement from its first token to its last. */
class Reader {
  readonly #tokens: readonly Token[];
  readonly #parts: Part[] = [];
  readonly #frames: Frame[] = [newFrame({ isCall: false })];
  /** Names of common table expressions, which are no tables. */
  readonly #known = new Set<string>();
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  read(): readonly Part[] {
    if (this.#readCommand()) return this.#parts;
    while (this.#at < this.#tokens.length) this.#step();
    return this.#parts.filter(({ text, isTarget }) =>
      !isTarget || !this.#known.has(text)
    );
  }

  /** Commands that are no queries, in their own form. */
  #readCommand(): boolean {
    const [token] = this.#tokens;
    const first = this.#word();
    if (token?.kind !== "word" || first === "with" || OPERATION.test(first)) {
      return false;
    }
    const { text } = token;
    this.#at = 1;
    if (/^(?:create|alter|drop)$/.test(first)) {
      const at = this.#tokens.findIndex(({ text }, index) =>
        index > 0 && index < 6 && KIND_OF_OBJECT.test(text.toLowerCase())
      );
      const kind = at < 0 ? "" : ` ${this.#tokens[at]?.text}`;
      this.#add(`${text}${kind}`);
      this.#at = at < 0 ? this.#tokens.length : at + 1;
      this.#readNames();
    } else {
      this.#add(text);
      if (WITH_TARGET.test(first)) this.#readNames();
    }
    return true;
  }

  /** One, or a list of them. */
  #readNames(): void {
    this.#readTargets();
    while (this.#tokens[this.#at]?.text === ",") {
      this.#at++;
      this.#readTargets();
    }
  }

  #step(): void {
    const token = this.#tokens[this.#at];
    switch (token?.kind === "sign" ? token.text : "") {
      case "(":
        this.#frames.push(newFrame({ isCall: this.#isCall() }));
        break;
      case ")":
        if (this.#frames.length > 1) this.#frames.pop();
        break;
      case ";":
        this.#frames.splice(0, Infinity, newFrame({ isCall: false }));
        break;
      case ",":
        if (this.#frame.isList) return this.#readTarget();
        break;
      default:
        if (token?.kind === "word") return this.#readWord(token.text);
    }
    this.#at++;
  }

  #readWord(text: string): void {
    const word = text.toLowerCase();
    const frame = this.#frame;
    if (word === "as") this.#noteExpression();
    if (OPERATION.test(word) && this.#begins(word)) {
      frame.operation = word;
      frame.isList = false;
      this.#add(text);
      if (word === "update") return this.#readTarget();
    } else if (BEFORE_TABLE.test(word) && this.#namesTable(word)) {
      frame.isList = word !== "into";
      return this.#readTarget();
    } else if (ENDS_LIST.test(word)) frame.isList = false;
    this.#at++;
  }

  /** `on conflict do update`, `for update` and `when matched then` begin nothing. */
  #begins(word: string): boolean {
    const { operation } = this.#frame;
    return operation === undefined ||
      (word === "select" && (operation === "insert" || operation === "select"));
  }

  /** Not in `extract(year from x)`, `is distinct from x` and `join .. using (x)`. */
  #namesTable(word: string): boolean {
    const { operation, isCall } = this.#frame;
    if (operation === undefined || isCall) return false;
    switch (word) {
      case "from":
        return this.#word(-1) !== "distinct";
      case "using":
        return operation === "delete" || operation === "merge";
      case "into":
        return operation === "insert" || operation === "merge";
      default:
        return true;
    }
  }

  /** The name before `as (`, or before `as materialized (`. */
  #noteExpression(): void {
    if (!/^(?:\(|materialized|not)$/.test(this.#word(1))) return;
    let distance = -1;
    // Its columns may stand in between.
    if (this.#word(distance) === ")") {
      while (this.#at + distance > 0 && this.#word(distance) !== "(") {
        distance--;
      }
      distance--;
    }
    const name = this.#tokens[this.#at + distance];
    if (name !== undefined && isName(name)) this.#known.add(nameOf(name));
  }

  /** A table behind the current token, unless there is none. */
  #readTarget(): void {
    this.#at++;
    this.#readTargets();
  }

  #readTargets(): void {
    while (SKIPPED.test(this.#word())) this.#at++;
    const names: string[] = [];
    let token = this.#tokens[this.#at];
    while (token !== undefined && isName(token)) {
      names.push(nameOf(token));
      this.#at++;
      if (this.#tokens[this.#at]?.text !== ".") break;
      this.#at++;
      token = this.#tokens[this.#at];
    }
    if (names.length === 0) return;
    // Behind `insert into` these are columns.
    const isFunction = this.#word() === "(" &&
      /^(?:from|join|,)$/.test(this.#word(-2 * names.length)) &&
      this.#tokens[this.#at]?.text === "(";
    if (!isFunction) {
      this.#parts.push({ text: names.join("."), isTarget: true });
    }
  }

  /** Whether a bracket opens arguments. */
  #isCall(): boolean {
    const before = this.#tokens[this.#at - 1];
    const isSubquery = /^(?:select|with|values|insert|update|delete|merge)$/
      .test(this.#word(1));
    return !isSubquery && before !== undefined && isName(before);
  }

  get #frame(): Frame {
    return this.#frames.at(-1) ?? newFrame({ isCall: false });
  }

  /** A token by its distance from the current one, in lower case. */
  #word(distance = 0): string {
    const token = this.#tokens[this.#at + distance];
    return token?.kind === "quoted" ? "" : token?.text.toLowerCase() ?? "";
  }

  #add(text: string): void {
    this.#parts.push({ text, isTarget: false });
  }
}

function newFrame({ isCall }: Pick<Frame, "isCall">): Frame {
  return { operation: undefined, isList: false, isCall };
}

function isName({ kind }: Token): boolean {
  return kind === "word" || kind === "quoted";
}

/** As the application has named it: quotes that change nothing are Drizzle's. */
function nameOf({ text }: Token): string {
  return text.replace(PLAIN_NAME, "$1");
}
