/** What a client has sent, for {@linkcode NeonServerOptions.faults}. */
export interface NeonExchange {
  /** Over what. */
  readonly transport: "http" | "websocket";
  /** Which one it is, from 1 on, of all that the server has seen. */
  readonly number: number;
  /**
   * The body of the request, or the frame as text: SQL can be looked for in
   * it.
   */
  readonly text: string;
}

/**
 * What goes wrong with an exchange. `delay`: it begins later. `drop`: the
 * connection breaks, `before` anything was run or `after` everything was.
 * `stall`: there is never an answer, and nothing was run. `truncate`:
 * everything was run, and half of the answer arrives. `status`: an endpoint
 * in front of the database refuses with this HTTP status; a WebSocket breaks.
 */
export type NeonFault =
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  | { readonly kind: "stall" }
  | { readonly kind: "truncate" }
  | { readonly kind: "status"; readonly status: 429 | 500 | 502 | 503 };

/** Says what goes wrong with an exchange; nothing, mostly. */
export type NeonFaults = (exchange: NeonExchange) => NeonFault | undefined;

/** Asks for faults, exchange by exchange. */
export class FaultSource {
  readonly #faults: NeonFaults | undefined;
  readonly #latency: number;
  #count = 0;

  /**
   * @param faults Says what goes wrong.
   * @param latency Milliseconds by which every exchange is delayed.
   */
  constructor(faults: NeonFaults | undefined, latency: number) {
    this.#faults = faults;
    this.#latency = latency;
  }

  /** Whether nothing ever goes wrong. */
  get isNone(): boolean {
    return this.#faults === undefined && this.#latency === 0;
  }

  /**
   * What goes wrong with an exchange, once its time has come.
   *
   * @param transport Over what.
   * @param text What was sent.
   */
  async next(
    transport: NeonExchange["transport"],
    text: () => string,
  ): Promise<NeonFault | undefined> {
    const number = ++this.#count;
    const fault = this.#faults?.({
      transport,
      number,
      get text() {
        return text();
      },
    });
    const wait = this.#latency + (fault?.kind === "delay" ? fault.ms : 0);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    return fault?.kind === "delay" ? undefined : fault;
  }
}
