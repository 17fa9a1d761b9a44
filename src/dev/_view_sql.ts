import type { ViewElements } from "./_view_elements.ts";
import type { ViewElement } from "./_view_window.ts";

/** Shows SQL with its words told apart; it is text all the same. */
export class ViewSql {
  readonly #elements: ViewElements;
  readonly #token =
    /(?<string>'(?:[^']|'')*')|(?<name>"(?:[^"]|"")*")|(?<place>\$\d+)|(?<number>\b\d+(?:\.\d+)?\b)|(?<word>[a-z_]\w*)/gi;
  readonly #keywords = new Set(
    ("all and any array as asc begin between by case cast commit conflict " +
      "create cross default delete desc distinct do drop else end exists " +
      "false for from full group having in inner insert into is join " +
      "lateral left like limit not nothing null offset on or order outer " +
      "over partition returning right rollback select set table then true " +
      "union update using values when where with").split(" "),
  );

  /** @param elements Makes elements. */
  constructor(elements: ViewElements) {
    this.#elements = elements;
  }

  /**
   * SQL, to look at.
   *
   * @param text The statement.
   */
  show(text: string): ViewElement {
    const parts: (ViewElement | string)[] = [];
    let end = 0;
    for (const match of text.matchAll(this.#token)) {
      const [token] = match;
      const kind = this.#kind(token, match.groups ?? {});
      if (kind === undefined) continue;
      parts.push(text.slice(end, match.index));
      parts.push(this.#elements.make("span", { class: `sql-${kind}` }, token));
      end = match.index + token.length;
    }
    parts.push(text.slice(end));
    return this.#elements.make(
      "pre",
      { class: "sql", attributes: { tabindex: "0", "aria-label": "SQL" } },
      this.#elements.make("code", {}, ...parts),
    );
  }

  #kind(
    token: string,
    groups: Readonly<Record<string, string | undefined>>,
  ): string | undefined {
    if (groups.word !== undefined) {
      return this.#keywords.has(token.toLowerCase()) ? "keyword" : undefined;
    }
    const [kind] =
      Object.entries(groups).find(([, found]) => found !== undefined) ?? [];
    return kind;
  }
}
