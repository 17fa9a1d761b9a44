/** What the page uses of an element. */
export interface ViewElement {
  /** Its text. */
  textContent: string | null;
  /** Its classes. */
  className: string;
  /** Whether it is left out. */
  hidden: boolean;
  /** Whether it cannot be used. */
  disabled: boolean;
  /** Its place in the order of the Tab key. */
  tabIndex: number;
  /** Said when a pointer rests on it. */
  title: string;
  /** Of a field. */
  value: string;
  /** Of a `details` element. */
  open: boolean;
  /** Its data attributes. */
  readonly dataset: Record<string, string | undefined>;
  /** Its own style; the page's policy allows no style attribute. */
  readonly style: { setProperty(name: string, value: string): void };
  /** What is in it. */
  readonly firstElementChild: ViewElement | null;
  /** What comes after it. */
  readonly nextElementSibling: ViewElement | null;
  /** Sets an attribute. */
  setAttribute(name: string, value: string): void;
  /** Removes an attribute. */
  removeAttribute(name: string): void;
  /** Adds to its end. */
  append(...nodes: (ViewElement | string)[]): void;
  /** Adds before something in it, or to its end. */
  insertBefore(node: ViewElement, before: ViewElement | null): void;
  /** Puts other things in it. */
  replaceChildren(...nodes: (ViewElement | string)[]): void;
  /** Takes it out. */
  remove(): void;
  /** Whether something is in it. */
  contains(other: ViewElement | null): boolean;
  /** The nearest one around it, or it itself, that matches. */
  closest(selectors: string): ViewElement | null;
  /** The first one in it that matches. */
  querySelector(selectors: string): ViewElement | null;
  /** Brings it into view. */
  scrollIntoView(options: { readonly block: "nearest" }): void;
  /** Gives it the keyboard. */
  focus(options?: { readonly preventScroll: boolean }): void;
  /** Listens. */
  addEventListener(type: string, listener: (event: ViewEvent) => void): void;
}

/** What the page uses of an event. */
export interface ViewEvent {
  /** Where it happened. */
  readonly target: ViewElement;
  /** Of a key. */
  readonly key: string;
  /** Whether a key is held that makes it somebody else's. */
  readonly ctrlKey: boolean;
  /** As `ctrlKey`. */
  readonly metaKey: boolean;
  /** As `ctrlKey`. */
  readonly altKey: boolean;
  /** Keeps the browser from doing what it would do. */
  preventDefault(): void;
}

/** What the page uses of a stream of server-sent events. */
export interface ViewStream {
  /** Called with each message. */
  onmessage: ((event: { readonly data: string }) => void) | null;
  /** Called when it opens, and when it opens again. */
  onopen: (() => void) | null;
  /** Called when it breaks; the browser opens it again. */
  onerror: (() => void) | null;
  /** How it is. */
  readonly readyState: number;
  /** That it is closed, and stays so. */
  readonly CLOSED: number;
  /** Ends it. */
  close(): void;
}

/** What the page uses of a browser's window. */
export interface ViewWindow {
  /** The page. */
  readonly document: {
    readonly activeElement: ViewElement | null;
    createElement(tag: string): ViewElement;
    getElementById(id: string): ViewElement | null;
    addEventListener(type: string, listener: (event: ViewEvent) => void): void;
  };
  /** Where it is. */
  readonly location: { readonly pathname: string };
  /** Opens streams. */
  readonly EventSource: new (url: string) => ViewStream;
  /** Asks the server. */
  fetch(url: string): Promise<
    { readonly ok: boolean; json(): Promise<unknown> }
  >;
  /** Calls back before the next picture. */
  requestAnimationFrame(callback: () => void): unknown;
  /** Calls back, once. */
  setTimeout(callback: () => void, delay: number): unknown;
  /** Calls back again and again. */
  setInterval(callback: () => void, delay: number): unknown;
  /** Its clock. */
  readonly performance: { now(): number };
}
