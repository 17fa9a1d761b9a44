import type { ViewElement, ViewWindow } from "./_view_window.ts";

/** What an element is made with. */
export interface ElementParts {
  /** Its classes. */
  readonly class?: string;
  /** Said when a pointer rests on it. */
  readonly title?: string;
  /** Attributes. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Numbers that its style is made of. */
  readonly numbers?: Readonly<Record<string, number>>;
}

/**
 * Makes elements. What is put into them is text, whatever it looks like: SQL
 * and names come from anywhere.
 */
export class ViewElements {
  readonly #document: ViewWindow["document"];

  /** @param document The page. */
  constructor(document: ViewWindow["document"]) {
    this.#document = document;
  }

  /** What has the keyboard. */
  get active(): ViewElement | null {
    return this.#document.activeElement;
  }

  /**
   * Makes an element.
   *
   * @param tag Its name.
   * @param parts What it has.
   * @param content What is in it.
   */
  make(
    tag: string,
    parts: ElementParts = {},
    ...content: (ViewElement | string)[]
  ): ViewElement {
    const element = this.#document.createElement(tag);
    if (parts.class !== undefined) element.className = parts.class;
    if (parts.title !== undefined) element.title = parts.title;
    for (const [name, value] of Object.entries(parts.attributes ?? {})) {
      element.setAttribute(name, value);
    }
    for (const [name, value] of Object.entries(parts.numbers ?? {})) {
      element.style.setProperty(`--${name}`, String(value));
    }
    element.append(...content);
    return element;
  }

  /**
   * Something that the page has from the start.
   *
   * @param id Its name.
   */
  byId(id: string): ViewElement {
    const element = this.#document.getElementById(id);
    if (element === null) throw new TypeError(`The page lacks #${id}`);
    return element;
  }

  /**
   * Says something only where it is not said already, so that nobody's place in
   * it is lost.
   *
   * @param element Where.
   * @param text What.
   */
  say(element: ViewElement, text: string): void {
    if (element.textContent !== text) element.textContent = text;
  }
}
