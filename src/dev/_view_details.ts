import type { Lane, Step } from "./_inspector_lane.ts";
import type { ViewBars } from "./_view_bars.ts";
import type { ViewElements } from "./_view_elements.ts";
import type { ViewSql } from "./_view_sql.ts";
import type { ViewElement } from "./_view_window.ts";
import type { ViewWords } from "./_view_words.ts";

/** Parameters of a lane, by place of the step. */
export type LaneValues = Readonly<Record<string, readonly string[]>>;

/** What the panel needs, and whom it tells. */
export interface DetailsParts {
  /** Makes elements. */
  readonly elements: ViewElements;
  /** Says what is what. */
  readonly words: ViewWords;
  /** Draws. */
  readonly bars: ViewBars;
  /** Shows SQL. */
  readonly sql: ViewSql;
  /** Called when it was closed. */
  readonly onClose: () => void;
  /** Asks for values. */
  readonly onValues: () => void;
}

/** What a lane is shown with. */
export interface DetailsState {
  /** The lane. */
  readonly lane: Lane;
  /** Its last moment so far, in milliseconds of the log's clock. */
  readonly end: number;
  /** When the log's clock was 0, in milliseconds since 1970. */
  readonly epoch: number;
  /** Its values, when somebody has asked for them. */
  readonly values: LaneValues | undefined;
  /** Whether there are any. */
  readonly hasValues: boolean;
}

/** One lane in full: a panel beside the list. */
export class ViewDetails {
  readonly #parts: DetailsParts;
  readonly #panel: ViewElement;
  #shown: DetailsState | undefined;

  /** @param parts What it needs. */
  constructor(parts: DetailsParts) {
    this.#parts = parts;
    this.#panel = parts.elements.byId("details");
    const { elements, onClose, onValues } = parts;
    elements.byId("close").addEventListener("click", onClose);
    elements.byId("values").addEventListener("click", onValues);
  }

  /** Gives the keyboard to its heading. */
  focus(): void {
    this.#parts.elements.byId("details-title").focus();
  }

  /** Leaves it out. */
  hide(): void {
    this.#panel.hidden = true;
    this.#shown = undefined;
  }

  /**
   * Shows a lane; what is open in it stays open.
   *
   * @param state The lane.
   */
  show(state: DetailsState): void {
    const before = this.#shown;
    const isSame = before?.lane === state.lane &&
      before.values === state.values && before.end === state.end;
    if (isSame) return;
    this.#shown = state;
    this.#panel.hidden = false;
    const { elements, words } = this.#parts;
    const { lane, end, epoch } = state;
    elements.say(elements.byId("details-title"), words.title(lane));
    const clock = new Date(epoch + lane.openedAt).toISOString().slice(11, 23);
    // That of a request is where the middleware is, always the same.
    const place = lane.request === undefined ? lane.place : "";
    const when = `${clock} UTC${place}`;
    elements.say(elements.byId("details-when"), when);
    elements.byId("details-marks").replaceChildren(...this.#marks(lane));
    elements.byId("details-facts").replaceChildren(
      ...this.#facts(lane, end - lane.openedAt),
    );
    this.#showValuesButton(state);
    const isOther = before?.lane.id !== lane.id;
    this.#showSteps(state, isOther ? new Set() : this.#openSteps());
  }

  #showValuesButton({ hasValues, values, lane }: DetailsState): void {
    const { elements } = this.#parts;
    const isOffered = hasValues &&
      lane.steps.some((step) => step.hasValues === true);
    const button = elements.byId("values");
    button.hidden = !isOffered;
    const isShown = values !== undefined;
    button.setAttribute("aria-pressed", String(isShown));
    elements.say(button, isShown ? "Hide values" : "Show values");
    elements.byId("no-values").hidden = hasValues || lane.texts.length === 0;
  }

  #marks({ marks }: Lane): ViewElement[] {
    const { elements, words } = this.#parts;
    return marks.map(({ kind, label, note }) => {
      const [, sign] = words.marks[kind];
      const line = elements.make(
        "li",
        {},
        elements.make("span", { attributes: { "aria-hidden": "true" } }, sign),
        elements.make("strong", {}, label),
        elements.make("span", {}, note),
      );
      line.dataset.kind = kind;
      return line;
    });
  }

  #facts(lane: Lane, time: number): ViewElement[] {
    const { elements, words } = this.#parts;
    const { statements, roundTrips, connections, rows, dropped } = lane.counts;
    const facts: [string, string][] = [
      ["Time", words.time(time)],
      ["Outcome", words.outcome(lane)],
      ["Statements", String(statements)],
      ["Round trips", String(roundTrips)],
      ["Connections", String(connections)],
      ["Rows", String(rows)],
    ];
    if (lane.request !== undefined) {
      const answered = words.time(lane.request.at - lane.openedAt);
      facts.splice(1, 0, ["Answered", answered]);
    }
    if (dropped > 0) facts.push(["Steps not kept", String(dropped)]);
    return facts.map(([name, value]) =>
      elements.make(
        "div",
        {},
        elements.make("dt", {}, name),
        elements.make("dd", {}, value),
      )
    );
  }

  #showSteps(state: DetailsState, open: ReadonlySet<number>): void {
    const { elements } = this.#parts;
    const { lane, end } = state;
    const list = elements.byId("details-steps");
    const active = elements.active;
    const step = list.contains(active)
      ? active?.closest("[data-step]")?.dataset.step
      : undefined;
    const last = Math.max(end, ...lane.steps.map((each) => each.end));
    const scale = Math.max(0.1, last - lane.openedAt);
    list.style.setProperty("--scale", String(scale));
    list.replaceChildren(
      ...lane.steps.map((each, index) =>
        this.#step(state, each, index, open.has(index))
      ),
    );
    if (step === undefined) return;
    list.querySelector(`[data-step="${step}"] summary`)?.focus();
  }

  #openSteps(): Set<number> {
    const open = new Set<number>();
    const list = this.#parts.elements.byId("details-steps");
    for (
      let line = list.firstElementChild;
      line !== null;
      line = line.nextElementSibling
    ) {
      if (line.querySelector("details")?.open) {
        open.add(Number(line.dataset.step));
      }
    }
    return open;
  }

  #step(
    state: DetailsState,
    step: Step,
    index: number,
    isOpen: boolean,
  ): ViewElement {
    const { elements, words, bars } = this.#parts;
    const { lane } = state;
    const label = words.step(step, lane.texts);
    const head = [
      elements.make("span", { class: "what" }, label),
      elements.make(
        "span",
        { class: "number" },
        words.time(step.end - step.start),
      ),
      elements.make(
        "span",
        { class: "track", attributes: { "aria-hidden": "true" } },
        bars.step(lane, step, lane.openedAt),
      ),
    ];
    const body = this.#stepBody(state, step, index);
    const line = elements.make("li", {
      class: `line ${step.kind}${step.error === undefined ? "" : " failed"}`,
    });
    line.dataset.step = String(index);
    if (body.length === 0) {
      line.append(elements.make("div", { class: "head" }, ...head));
      return line;
    }
    const summary = elements.make("summary", { class: "head" }, ...head);
    const details = elements.make("details", {}, summary, ...body);
    details.open = isOpen || state.values?.[index] !== undefined;
    line.append(details);
    return line;
  }

  #stepBody(
    { lane, values }: DetailsState,
    step: Step,
    index: number,
  ): ViewElement[] {
    const { elements, words, sql } = this.#parts;
    const { kind, text, flight, error, rows, note } = step;
    const body: ViewElement[] = [];
    const full = text === undefined ? undefined : lane.texts[text];
    if (full !== undefined) body.push(sql.show(full));
    const own = values?.[index];
    if (own !== undefined) {
      body.push(elements.make(
        "ol",
        { class: "values", attributes: { "aria-label": "Values" } },
        ...own.map((value) => elements.make("li", {}, value)),
      ));
    }
    const facts = [
      error !== undefined && `failed: ${error}`,
      typeof rows === "number" && words.count(rows, "row"),
      flight !== undefined && this.#travel(lane, flight),
      kind === "rollback" && note,
    ].filter((fact) => typeof fact === "string");
    if (facts.length > 0) {
      body.push(elements.make("p", { class: "said" }, facts.join(" · ")));
    }
    return body;
  }

  #travel(lane: Lane, flight: number): string {
    const known = lane.flights[flight];
    const reason = known === undefined ? "" : ` (${known.reason})`;
    return `round trip ${flight}, ${
      this.#parts.words.transport(known)
    }${reason}`;
  }
}
