import type { PoolStatus } from "../pool/pool.ts";
import type { Lane } from "./_inspector_lane.ts";
import type { InspectorLog } from "./_inspector_log.ts";

/** Milliseconds between two messages. */
const PACE = 100;

/** Milliseconds until the pool is looked at again, although nothing was told. */
const LOOK = 1_000;

/** Milliseconds after which a message is sent that says nothing. */
const BEAT = 10_000;

/** Numbers that a page may have to be told; more are looked through. */
const MAX_DIRTY = 1_000;

/** What does not change while a page is open. */
export interface InspectorAbout {
  /** The engine's mode. */
  readonly mode: string;
  /** How many connections it can have at once, where there is a limit. */
  readonly capacity: number | undefined;
  /** Whether values can be asked for. */
  readonly hasValues: boolean;
  /** When the log's clock was 0, in milliseconds since 1970. */
  readonly epoch: number;
}

/** What a page is sent. */
export interface InspectorMessage {
  /** In the first one. */
  readonly about?: InspectorAbout;
  /** What the log's clock shows. */
  readonly now: number;
  /** Lanes with a smaller number are gone. */
  readonly first: number;
  /** Lanes that were left out. */
  readonly gone: readonly number[];
  /** Lanes that are new or have changed. */
  readonly lanes: readonly Lane[];
  /** What the pool holds. */
  readonly status: PoolStatus;
  /** Which database, without any secret; some drivers know it late. */
  readonly database: string;
}

/** Where messages come from. */
export interface FeedSource {
  /** Keeps lanes. */
  readonly log: InspectorLog;
  /** What does not change; asked late, as a URL may be read late. */
  readonly about: () => InspectorAbout;
  /** What the pool holds now, and where its connections lead. */
  readonly state: () => Pick<InspectorMessage, "status" | "database">;
}

/**
 * Everything there is, as one message.
 *
 * @param source Where it comes from.
 */
export function snapshot(
  { log, about, state }: FeedSource,
): InspectorMessage {
  return { about: about(), ...changes(log, log.ids), ...state() };
}

function changes(
  log: InspectorLog,
  ids: Iterable<number>,
): Pick<InspectorMessage, "now" | "first" | "gone" | "lanes"> {
  const lanes: Lane[] = [];
  const gone: number[] = [];
  for (const id of ids) {
    const lane = log.lane(id);
    if (lane !== undefined) lanes.push(lane);
    else if (id > log.first) gone.push(id);
  }
  return { now: performance.now(), first: log.first, gone, lanes };
}

/**
 * What one page is sent. Between two messages it keeps the numbers of lanes
 * that have changed and nothing else, so a page that reads slowly is sent less,
 * and costs no memory.
 */
export class InspectorFeed {
  readonly #source: FeedSource;
  readonly #dirty = new Set<number>();
  readonly #onEnd: () => void;
  #isCancelled = false;
  #unwatch = () => {};
  #wake = () => {};
  /** Whether a change is what it waits for. */
  #isListening = false;
  #isFirst = true;
  #isOver = false;
  #sentAt = 0;
  #state = "";

  /**
   * @param source Where messages come from.
   * @param onEnd Called when nobody reads any more.
   */
  constructor(source: FeedSource, onEnd: () => void) {
    this.#source = source;
    this.#onEnd = onEnd;
  }

  /** Numbers that it keeps. */
  get size(): number {
    return this.#dirty.size;
  }

  /** Server-sent events; each is one message. */
  stream(): ReadableStream<Uint8Array> {
    this.#unwatch = this.#source.log.watch((id) => this.#note(id));
    return new ReadableStream({
      pull: async (controller) => {
        const text = await this.#next();
        if (text !== undefined) controller.enqueue(ENCODER.encode(text));
        else if (!this.#isCancelled) controller.close();
      },
      cancel: () => {
        this.#isCancelled = true;
        this.end();
      },
    }, { highWaterMark: 0 });
  }

  /** Sends nothing more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unwatch();
    this.#wake();
    this.#onEnd();
  }

  #note(id: number): void {
    const { log } = this.#source;
    this.#dirty.add(id);
    if (this.#dirty.size > MAX_DIRTY) {
      for (const each of this.#dirty) {
        if (!log.has(each)) this.#dirty.delete(each);
      }
    }
    if (this.#isListening) this.#wake();
  }

  /** The next message, when there is something to tell; nothing at the end. */
  async #next(): Promise<string | undefined> {
    if (this.#isFirst) {
      this.#isFirst = false;
      const message = snapshot(this.#source);
      this.#state = JSON.stringify(this.#source.state());
      return this.#sent(`retry: 1000\n${data(message)}`);
    }
    await this.#wait(this.#sentAt + PACE - performance.now());
    while (!this.#isOver) {
      const state = this.#source.state();
      const text = JSON.stringify(state);
      if (this.#dirty.size > 0 || text !== this.#state) {
        const ids = [...this.#dirty];
        this.#dirty.clear();
        this.#state = text;
        const changed = changes(this.#source.log, ids);
        return this.#sent(data({ ...changed, ...state }));
      }
      if (performance.now() - this.#sentAt > BEAT) return this.#sent(":\n\n");
      this.#isListening = true;
      await this.#wait(LOOK);
      this.#isListening = false;
    }
    return undefined;
  }

  #sent(text: string): string {
    this.#sentAt = performance.now();
    return text;
  }

  /** Waits; the end, and a change that is listened for, come earlier. */
  #wait(time: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), time);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

const ENCODER = new TextEncoder();

function data(message: InspectorMessage): string {
  return `data: ${JSON.stringify(message)}\n\n`;
}
