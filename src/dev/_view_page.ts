import type { InspectorMessage } from "./_inspector_feed.ts";
import type { DetailsParts, LaneValues } from "./_view_details.ts";
import type { ViewDetails } from "./_view_details.ts";
import type { ViewElements } from "./_view_elements.ts";
import type { LanesParts, ViewLanes } from "./_view_lanes.ts";
import type { LaneFilter, LaneRow, ViewModel } from "./_view_model.ts";
import type { ViewPool } from "./_view_pool.ts";
import type { ViewStream, ViewWindow } from "./_view_window.ts";
import type { ViewWords } from "./_view_words.ts";

/** What the page is made of. */
export interface PageParts {
  /** The browser. */
  readonly window: ViewWindow;
  /** Makes elements. */
  readonly elements: ViewElements;
  /** Says what is what. */
  readonly words: ViewWords;
  /** What is known. */
  readonly model: ViewModel;
  /** Shows the pool. */
  readonly pool: ViewPool;
  /** Makes the list. */
  readonly lanes: (parts: Pick<LanesParts, "onChoose">) => ViewLanes;
  /** Makes the panel. */
  readonly details: (
    parts: Pick<DetailsParts, "onClose" | "onValues">,
  ) => ViewDetails;
}

/** The page as a whole: listens to the server and to whoever looks at it. */
export class ViewPage {
  readonly #parts: PageParts;
  readonly #lanes: ViewLanes;
  readonly #details: ViewDetails;
  #stream: ViewStream | undefined;
  /** What the log's clock is ahead of the browser's. */
  #ahead = 0;
  /** When it was paused: nothing grows then. */
  #frozen: number | undefined;
  /** Milliseconds that a line shows; nothing where it is what fits. */
  #zoom: number | undefined;
  #chosen: number | undefined;
  #values: { readonly id: number; readonly all: LaneValues } | undefined;
  #isDrawing = false;
  #drawnScale = 0;
  /** What was not said yet to those who listen. */
  #unsaid = new Set<number>();

  /** @param parts What it is made of. */
  constructor(parts: PageParts) {
    this.#parts = parts;
    this.#lanes = parts.lanes({
      onChoose: (id, { isEntered }) => {
        this.#choose(id);
        if (isEntered) this.#details.focus();
      },
    });
    this.#details = parts.details({
      onClose: () => this.#close(),
      onValues: () => void this.#toggleValues(),
    });
    this.#listen();
    this.#resume();
    const { window } = parts;
    // What still runs grows, and is said from time to time.
    window.setInterval(() => this.#drawLater(), 500);
    window.setInterval(() => this.#say(), 5_000);
  }

  #listen(): void {
    const { elements, window } = this.#parts;
    for (const id of ["search", "mark", "transport"]) {
      elements.byId(id).addEventListener("input", () => this.#drawLater());
    }
    elements.byId("filters").addEventListener(
      "submit",
      (event) => event.preventDefault(),
    );
    elements.byId("pause").addEventListener("click", () => {
      if (this.#stream === undefined) this.#resume();
      else this.#pause();
    });
    elements.byId("clear").addEventListener("click", () => {
      this.#parts.model.clear();
      this.#close();
      this.#drawLater();
    });
    elements.byId("closer").addEventListener("click", () => this.#scale(0.5));
    elements.byId("wider").addEventListener("click", () => this.#scale(2));
    elements.byId("fit").addEventListener("click", () => this.#scale(0));
    window.document.addEventListener("keydown", (event) => {
      const isHeld = event.ctrlKey || event.metaKey || event.altKey;
      // Fields have uses of their own for both keys.
      if (isHeld || event.target.closest("input, select") !== null) return;
      if (event.key === "Escape" && this.#chosen !== undefined) {
        event.preventDefault();
        this.#close();
      } else if (event.key === "/") {
        event.preventDefault();
        elements.byId("search").focus();
      }
    });
  }

  #resume(): void {
    const { window } = this.#parts;
    const stream = new window.EventSource(`${this.#base()}/stream`);
    stream.onopen = () => this.#tellState("live", "Live");
    stream.onerror = () => {
      if (stream !== this.#stream) return;
      this.#tellState("lost", "Connecting");
      // A browser tries again by itself, but not where it was refused.
      if (stream.readyState !== stream.CLOSED) return;
      window.setTimeout(() => stream === this.#stream && this.#resume(), 2_000);
    };
    stream.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    this.#stream = stream;
    this.#frozen = undefined;
    this.#tellState("lost", "Connecting");
  }

  #pause(): void {
    this.#stream?.close();
    this.#stream = undefined;
    this.#frozen = this.#parts.window.performance.now() + this.#ahead;
    this.#tellState("paused", "Paused");
  }

  #tellState(state: string, text: string): void {
    const { elements } = this.#parts;
    const isPaused = state === "paused";
    const told = elements.byId("state");
    told.dataset.state = state;
    elements.say(told, text);
    const button = elements.byId("pause");
    elements.say(button, isPaused ? "Resume" : "Pause");
  }

  /** The path that the inspector is mounted at. */
  #base(): string {
    return this.#parts.window.location.pathname.replace(/\/$/, "");
  }

  #hear(message: InspectorMessage): void {
    const { model, window, elements } = this.#parts;
    const isNew = (id: number) => model.lane(id) === undefined;
    const added = message.about === undefined
      ? message.lanes.map(({ id }) => id).filter(isNew)
      : [];
    this.#ahead = message.now - window.performance.now();
    model.apply(message);
    for (const id of added) this.#unsaid.add(id);
    if (message.about !== undefined) {
      elements.say(elements.byId("mode"), message.about.mode);
    }
    const database = elements.byId("database");
    elements.say(database, message.database);
    database.title = message.database;
    this.#drawLater();
  }

  /** Once before the next picture, however much is heard until then. */
  #drawLater(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    this.#parts.window.requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const { model, window, pool, elements } = this.#parts;
    const now = this.#frozen ?? window.performance.now() + this.#ahead;
    const filter = this.#filter();
    const rows = model.rows(filter);
    this.#drawAxis(this.#zoom ?? model.scale(rows));
    this.#lanes.draw(rows, now);
    this.#drawTotals(rows, now);
    elements.byId("lanes").hidden = rows.length === 0;
    const isFiltered = Object.values(filter).some((part) => part !== "");
    elements.byId("empty").hidden = rows.length > 0 || isFiltered;
    elements.byId("no-match").hidden = rows.length > 0 || !isFiltered;
    if (model.status) pool.draw(model.status, model.about?.capacity);
    this.#drawDetails(now);
  }

  #filter(): LaneFilter {
    const { elements } = this.#parts;
    return {
      search: elements.byId("search").value.trim(),
      mark: elements.byId("mark").value,
      transport: elements.byId("transport").value,
    };
  }

  #drawAxis(scale: number): void {
    if (scale === this.#drawnScale) return;
    this.#drawnScale = scale;
    const { elements, words } = this.#parts;
    elements.byId("lanes").style.setProperty("--scale", String(scale));
    elements.byId("axis").replaceChildren(
      ...[0, 1, 2, 3, 4].map((part) =>
        elements.make(
          "span",
          { numbers: { part } },
          part === 0 ? "0" : words.time(scale * part / 5),
        )
      ),
    );
  }

  #drawTotals(rows: readonly LaneRow[], now: number): void {
    const { elements, words, model } = this.#parts;
    const totals = model.totals(rows, now);
    const none = totals.lanes === 0;
    const all: Record<string, string> = {
      lanes: String(totals.lanes),
      median: none ? "–" : words.time(totals.median),
      slow: none ? "–" : words.time(totals.slow),
      trips: none ? "–" : totals.roundTrips.toFixed(1),
      marked: String(totals.marked),
    };
    for (const [name, value] of Object.entries(all)) {
      elements.say(elements.byId(`total-${name}`), value);
    }
  }

  #scale(factor: number): void {
    this.#zoom = factor === 0
      ? undefined
      : Math.min(3_600_000, Math.max(1, this.#drawnScale * factor));
    this.#drawLater();
  }

  #choose(id: number): void {
    if (id !== this.#chosen) this.#values = undefined;
    this.#chosen = id;
    this.#lanes.choose(id);
    this.#draw();
    // The panel has taken some of its room.
    this.#lanes.reveal();
  }

  #close(): void {
    const isOpen = this.#chosen !== undefined;
    this.#chosen = undefined;
    this.#values = undefined;
    this.#lanes.choose(undefined);
    this.#details.hide();
    if (isOpen) this.#lanes.focus();
  }

  #drawDetails(now: number): void {
    const { model } = this.#parts;
    if (this.#chosen === undefined) return;
    const lane = model.lane(this.#chosen);
    // Gone from the server's memory: what is shown stays until it is closed.
    if (lane === undefined) return;
    const { about } = model;
    this.#details.show({
      lane,
      end: model.endOf(lane, now),
      epoch: about?.epoch ?? 0,
      values: this.#values?.id === lane.id ? this.#values.all : undefined,
      hasValues: about?.hasValues ?? false,
    });
  }

  async #toggleValues(): Promise<void> {
    const id = this.#chosen;
    if (id === undefined) return;
    if (this.#values !== undefined) {
      this.#values = undefined;
      return this.#drawLater();
    }
    const answer = await this.#parts.window.fetch(
      `${this.#base()}/lanes/${id}/values`,
    );
    if (!answer.ok || this.#chosen !== id) return;
    this.#values = { id, all: await answer.json() as LaneValues };
    this.#drawLater();
  }

  /** What has come, in a sentence, and not too often. */
  #say(): void {
    const { elements, model, words } = this.#parts;
    if (this.#unsaid.size === 0) return;
    const lanes = [...this.#unsaid].map((id) => model.lane(id));
    const marked = lanes.filter((lane) => (lane?.marks.length ?? 0) > 0).length;
    const more = marked === 0 ? "" : `, ${marked} with a mark`;
    elements.say(
      elements.byId("said"),
      `${words.count(this.#unsaid.size, "new lane")}${more}`,
    );
    this.#unsaid.clear();
  }
}
