import type { Lane } from "./_inspector_lane.ts";
import type { ViewBars } from "./_view_bars.ts";
import type { ViewElements } from "./_view_elements.ts";
import type { LaneRow } from "./_view_model.ts";
import type { ViewElement, ViewEvent } from "./_view_window.ts";
import type { ViewWords } from "./_view_words.ts";

/** What the list needs, and whom it tells. */
export interface LanesParts {
  /** Makes elements. */
  readonly elements: ViewElements;
  /** Says what is what. */
  readonly words: ViewWords;
  /** Draws. */
  readonly bars: ViewBars;
  /** Called with a lane that was chosen, and whether to go there. */
  readonly onChoose: (id: number, how: { readonly isEntered: boolean }) => void;
}

/** A line as it was drawn last. */
interface DrawnLine {
  readonly element: ViewElement;
  lane: Lane | undefined;
  level: number;
  base: number;
}

/**
 * The list of lanes. Arrow keys go from line to line, Enter opens one; one line
 * is in the order of the Tab key.
 */
export class ViewLanes {
  readonly #parts: LanesParts;
  readonly #body: ViewElement;
  readonly #lines = new Map<number, DrawnLine>();
  #order: readonly number[] = [];
  #current: number | undefined;
  #chosen: number | undefined;
  /** Whether the current line is where somebody was, and not just the first. */
  #isPlace = false;

  /** @param parts What it needs. */
  constructor(parts: LanesParts) {
    this.#parts = parts;
    this.#body = parts.elements.byId("rows");
    this.#body.addEventListener("click", (event) => {
      const id = this.#lineOf(event);
      if (id === undefined) return;
      this.#go(id);
      this.#parts.onChoose(id, { isEntered: false });
    });
    this.#body.addEventListener("keydown", (event) => this.#onKey(event));
    this.#body.addEventListener("focusin", () => this.#isPlace = true);
  }

  /**
   * Draws what has changed.
   *
   * @param rows The lines, in order.
   * @param now What the log's clock shows.
   */
  draw(rows: readonly LaneRow[], now: number): void {
    const before = this.#order.indexOf(this.#current ?? 0);
    this.#order = rows.map(({ lane }) => lane.id);
    const hadFocus = this.#removeOthers(new Set(this.#order));
    let place = this.#body.firstElementChild;
    for (const row of rows) {
      const { element } = this.#line(row, now);
      if (element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(element, place);
    }
    const isLost = this.#current === undefined ||
      !this.#lines.has(this.#current);
    if (hadFocus) {
      // The keyboard goes on from where it was.
      const last = this.#order.length - 1;
      this.#makeCurrent(this.#order[Math.min(before, last)]);
      this.focus();
    } else if (isLost || !this.#isPlace) {
      this.#isPlace = false;
      this.#makeCurrent(this.#order[0]);
    }
  }

  /** Says whether the keyboard was in one of them. */
  #removeOthers(wanted: ReadonlySet<number>): boolean {
    let hadFocus = false;
    for (const [id, { element }] of this.#lines) {
      if (wanted.has(id)) continue;
      hadFocus ||= element.contains(this.#parts.elements.active);
      element.remove();
      this.#lines.delete(id);
    }
    return hadFocus;
  }

  /**
   * Marks the lane that is looked at.
   *
   * @param id Its number; nothing when none is.
   */
  choose(id: number | undefined): void {
    for (const each of [this.#chosen, id]) {
      const line = each === undefined ? undefined : this.#lines.get(each);
      line?.element.setAttribute("aria-selected", String(each === id));
    }
    this.#chosen = id;
  }

  /** Brings the lane that is looked at into view. */
  reveal(): void {
    this.#lines.get(this.#chosen ?? 0)?.element
      .scrollIntoView({ block: "nearest" });
  }

  /** Gives the keyboard to the current line. */
  focus(): void {
    const line = this.#lines.get(this.#current ?? this.#order[0] ?? 0);
    line?.element.focus();
  }

  #line(row: LaneRow, now: number): DrawnLine {
    const { lane, level, base } = row;
    const line = this.#lines.get(lane.id) ?? this.#newLine(lane.id);
    const isSame = line.lane === lane && line.level === level &&
      line.base === base;
    if (isSame && lane.closedAt !== undefined) return line;
    const { element } = line;
    element.setAttribute("aria-level", String(level));
    element.dataset.level = String(Math.min(level, 6));
    const cells = this.#cells(row, now);
    element.replaceChildren(...cells);
    Object.assign(line, { lane, level, base });
    return line;
  }

  #newLine(id: number): DrawnLine {
    const element = this.#parts.elements.make("tr", {
      attributes: {
        role: "row",
        "aria-selected": String(id === this.#chosen),
      },
    });
    element.dataset.id = String(id);
    element.tabIndex = -1;
    const line = { element, lane: undefined, level: 0, base: 0 };
    this.#lines.set(id, line);
    return line;
  }

  #cells({ lane, base }: LaneRow, now: number): ViewElement[] {
    const { elements, words, bars } = this.#parts;
    const end = lane.closedAt ?? now;
    const { statements, roundTrips } = lane.counts;
    const outcome = words.outcome(lane);
    const answer = elements.make("span", { class: "outcome" }, outcome);
    answer.dataset.tone = words.tone(outcome);
    const cell = (kind: string, ...content: (ViewElement | string)[]) =>
      elements.make(
        "td",
        { class: kind, attributes: { role: "gridcell" } },
        ...content,
      );
    return [
      cell(
        "name",
        elements.make(
          "div",
          { class: "names" },
          this.#name(lane),
          this.#marks(lane),
        ),
      ),
      cell("answered", answer),
      cell("number time", words.time(end - lane.openedAt)),
      elements.make(
        "td",
        {
          class: "number sent",
          title: `${words.count(statements, "statement")} in ${
            words.count(roundTrips, "round trip")
          }`,
          attributes: { role: "gridcell" },
        },
        roundTrips === 0 ? "–" : `${statements} in ${roundTrips}`,
      ),
      cell("fall", bars.lane(lane, { base, end })),
    ];
  }

  #name(lane: Lane): ViewElement {
    const { elements, words } = this.#parts;
    const { request } = lane;
    const title = words.title(lane);
    if (request === undefined) {
      return elements.make("span", { class: "title", title }, title);
    }
    return elements.make(
      "span",
      { class: "title", title },
      elements.make("b", { class: "method" }, request.method),
      " ",
      request.route,
    );
  }

  #marks({ marks }: Lane): ViewElement {
    const { elements, words } = this.#parts;
    const chips = marks.slice(0, 3).map(({ kind, label, note }) => {
      const [, sign] = words.marks[kind];
      const chip = elements.make(
        "span",
        { class: "mark", title: note },
        elements.make("span", { attributes: { "aria-hidden": "true" } }, sign),
        ` ${label}`,
      );
      chip.dataset.kind = kind;
      return chip;
    });
    const more = marks.length - chips.length;
    if (more > 0) {
      chips.push(elements.make("span", { class: "mark" }, `+${more}`));
    }
    return elements.make("span", { class: "marks" }, ...chips);
  }

  #onKey(event: ViewEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const id = this.#lineOf(event);
    if (id === undefined) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return this.#parts.onChoose(id, { isEntered: true });
    }
    const at = this.#order.indexOf(id);
    const last = this.#order.length - 1;
    const places: Record<string, number> = {
      ArrowDown: Math.min(last, at + 1),
      ArrowUp: Math.max(0, at - 1),
      PageDown: Math.min(last, at + 10),
      PageUp: Math.max(0, at - 10),
      Home: 0,
      End: last,
    };
    const place = places[event.key];
    const next = place === undefined ? undefined : this.#order[place];
    if (next === undefined) return;
    event.preventDefault();
    this.#go(next);
    if (this.#chosen !== undefined) {
      this.#parts.onChoose(next, { isEntered: false });
    }
  }

  #go(id: number): void {
    this.#makeCurrent(id);
    const element = this.#lines.get(id)?.element;
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: "nearest" });
  }

  #makeCurrent(id: number | undefined): void {
    const before = this.#lines.get(this.#current ?? 0);
    if (before !== undefined) before.element.tabIndex = -1;
    this.#current = id;
    const line = this.#lines.get(id ?? 0);
    if (line !== undefined) line.element.tabIndex = 0;
  }

  #lineOf({ target }: ViewEvent): number | undefined {
    const id = target.closest("[data-id]")?.dataset.id;
    return id === undefined ? undefined : Number(id);
  }
}
