import type { Lane, Step } from "./_inspector_lane.ts";
import type { ViewElements } from "./_view_elements.ts";
import type { ViewElement } from "./_view_window.ts";
import type { ViewWords } from "./_view_words.ts";

/** When a picture begins, and when what still runs is drawn to. */
export interface BarTimes {
  /** Milliseconds of the log's clock at its left edge. */
  readonly base: number;
  /** Milliseconds of the log's clock now. */
  readonly end: number;
}

/** Draws lanes. Style makes places of the numbers: see `_inspector_style.ts`. */
export class ViewBars {
  readonly #elements: ViewElements;
  readonly #words: ViewWords;

  /**
   * @param elements Makes elements.
   * @param words Says what they are.
   */
  constructor(elements: ViewElements, words: ViewWords) {
    this.#elements = elements;
    this.#words = words;
  }

  /**
   * A lane as a waterfall.
   *
   * @param lane The lane.
   * @param times When it begins, and how far it is.
   */
  lane(lane: Lane, { base, end }: BarTimes): ViewElement {
    const until = lane.closedAt ?? end;
    const kind = lane.closedAt === undefined ? "life running" : "life";
    const life = this.#bar(kind, lane.openedAt - base, until - lane.openedAt);
    const others = lane.steps.filter(({ flight }) => flight === undefined)
      .map((step) => this.step(lane, step, base));
    const signs = lane.steps.flatMap((step) => this.#sign(step, base));
    return this.#elements.make(
      "div",
      {
        class: "track",
        attributes: {
          role: "img",
          "aria-label": this.#words.summary(lane, until - lane.openedAt),
        },
      },
      life,
      ...others,
      ...this.#flights(lane).map((steps) => this.#flight(lane, steps, base)),
      ...signs,
      ...this.#answer(lane, base),
    );
  }

  /**
   * One step of it.
   *
   * @param lane The lane.
   * @param step The step.
   * @param base Milliseconds of the log's clock at the left edge.
   */
  step(lane: Lane, step: Step, base: number): ViewElement {
    const { kind, start, end, flight = 0 } = step;
    const isFlight = flight > 0;
    const words = this.#words;
    const bar = this.#bar(
      isFlight ? "flight" : `step ${kind}`,
      start - base,
      end - start,
      `${words.step(step, lane.texts)}: ${words.time(end - start)}`,
    );
    if (isFlight) {
      bar.dataset.transport = lane.flights[flight]?.transport ?? "interactive";
      bar.append(this.#piece(step));
    }
    return bar;
  }

  /** What travelled together, in order. */
  #flights({ steps }: Lane): Step[][] {
    const flights = new Map<number, Step[]>();
    for (const step of steps) {
      if (step.flight === undefined) continue;
      flights.set(step.flight, [...flights.get(step.flight) ?? [], step]);
    }
    return [...flights.values()];
  }

  /** One block, with a stripe for each thing that travelled in it. */
  #flight(lane: Lane, steps: readonly Step[], base: number): ViewElement {
    const start = Math.min(...steps.map((step) => step.start));
    const end = Math.max(...steps.map((step) => step.end));
    const flight = lane.flights[steps[0]?.flight ?? 0];
    const words = this.#words;
    const contents = steps.map((step) => {
      const text = words.step(step, lane.texts);
      return text.length > 90 ? `${text.slice(0, 89)}…` : text;
    });
    const reason = flight === undefined ? "" : ` because ${flight.reason}`;
    const block = this.#bar(
      "flight",
      start - base,
      end - start,
      `${words.time(end - start)}, ${words.transport(flight)}${reason}\n${
        contents.join("\n")
      }`,
    );
    block.dataset.transport = flight?.transport ?? "interactive";
    block.append(...steps.map((step) => this.#piece(step)));
    return block;
  }

  #piece({ kind, error }: Step): ViewElement {
    const failed = error === undefined ? "" : " failed";
    return this.#elements.make("i", { class: `piece ${kind}${failed}` });
  }

  /** What ends a transaction is seen without its colour as well. */
  #sign({ kind, end, error }: Step, base: number): ViewElement[] {
    const sign = error !== undefined
      ? "✕"
      : kind === "commit"
      ? "✓"
      : kind === "rollback"
      ? "↶"
      : undefined;
    if (sign === undefined) return [];
    const bar = this.#bar(
      `sign ${error === undefined ? kind : "failed"}`,
      end - base,
      0,
    );
    bar.textContent = sign;
    return [bar];
  }

  #answer({ request }: Lane, base: number): ViewElement[] {
    if (request === undefined) return [];
    const status = String(request.status ?? "threw");
    const bar = this.#bar(
      "answer",
      request.at - base,
      0,
      `answered ${status} after ${this.#words.time(request.at - base)}`,
    );
    bar.dataset.tone = this.#words.tone(status);
    return [bar];
  }

  #bar(kind: string, at: number, time: number, title?: string): ViewElement {
    return this.#elements.make("div", {
      class: `bar ${kind}`,
      numbers: { at, for: time },
      ...(title !== undefined && { title }),
    });
  }
}
