import { setImmediate } from "node:timers";

/** What a {@linkcode Relay} has seen a client do, and when. */
export interface WireEvent {
  /**
   * `connect`: a TCP connection; `speak`: bytes after an answer, or the first
   * ones; `request`, `upgrade`: bytes that begin an HTTP request.
   */
  readonly kind: "connect" | "speak" | "request" | "upgrade";
  /** Milliseconds since 1970, with fractions, as the client's clock has it. */
  readonly at: number;
}

/** This moment, by a clock that all processes of a machine share. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Milliseconds by which a timer is late. */
const TIMER_SLACK = 2.5;

/**
 * Waits until a moment, to some hundredths of a millisecond: what a timer
 * cannot, turns of the event loop do.
 */
async function until(moment: number): Promise<void> {
  const wait = moment - now() - TIMER_SLACK;
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  while (now() < moment) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** What is on its way. */
interface Parcel {
  /** Nothing: the end. */
  readonly bytes: Uint8Array | undefined;
  readonly due: number;
}

/**
 * Stands between clients and a server, as a network far away does: bytes
 * arrive half a round trip later, and the first ones of a connection one whole
 * round trip later still, for TCP's own greeting. It knows no bandwidth.
 */
export class Relay implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #server: { hostname: string; port: number };
  readonly #open = new Set<Deno.TcpConn>();
  readonly #done: Promise<void>;
  #events: WireEvent[] = [];
  #roundTrip = 0;

  /**
   * Listens on a free port of 127.0.0.1.
   *
   * @param server Where the server listens.
   */
  constructor(server: { hostname: string; port: number }) {
    this.#server = server;
    this.#done = this.#accept();
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /**
   * Sets the distance, for what is sent from now on.
   *
   * @param roundTrip Milliseconds.
   */
  set roundTrip(roundTrip: number) {
    this.#roundTrip = roundTrip;
  }

  /** What has been seen since the last call. */
  take(): WireEvent[] {
    const taken = this.#events;
    this.#events = [];
    return taken;
  }

  /** Closes every connection: what comes next has to open one. */
  cut(): void {
    for (const each of this.#open) each.close();
    this.#open.clear();
  }

  /** Listens no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#done;
  }

  async #accept(): Promise<void> {
    const running: Promise<void>[] = [];
    for await (const client of this.#listener) {
      running.push(this.#relay(client));
    }
    await Promise.allSettled(running);
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    const accepted = now();
    this.#open.add(client);
    this.#events.push({ kind: "connect", at: accepted });
    const server = await Deno.connect(this.#server);
    this.#open.add(server);
    for (const each of [client, server]) each.setNoDelay();

    const greeted = accepted + this.#roundTrip;
    let isAnswered = true;
    const up = this.#pipe(client, server, {
      seen: (bytes) => {
        const at = Math.max(now(), greeted);
        if (isAnswered) this.#tell(bytes, at);
        isAnswered = false;
        return at;
      },
    });
    const down = this.#pipe(server, client, {
      seen: now,
      delivered: () => {
        isAnswered = true;
      },
    });
    await Promise.race([up, down]);
    for (const each of [client, server]) {
      if (this.#open.delete(each)) each.close();
    }
    await Promise.allSettled([up, down]);
  }

  #tell(bytes: Uint8Array, at: number): void {
    this.#events.push({ kind: "speak", at });
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, 5));
    if (text === "POST ") this.#events.push({ kind: "request", at });
    if (text.startsWith("GET ")) this.#events.push({ kind: "upgrade", at });
  }

  /** It never rejects: a connection ends, somehow. */
  async #pipe(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    { seen, delivered = () => {} }: {
      seen: (bytes: Uint8Array) => number;
      delivered?: () => void;
    },
  ): Promise<void> {
    const underWay: Parcel[] = [];
    let wake = () => {};
    const sending = (async () => {
      for (;;) {
        const parcel = underWay.shift();
        if (!parcel) {
          await new Promise<void>((resolve) => wake = resolve);
          continue;
        }
        await until(parcel.due);
        if (!parcel.bytes) return;
        delivered();
        for (let sent = 0; sent < parcel.bytes.length;) {
          sent += await to.write(parcel.bytes.subarray(sent));
        }
      }
    })();
    const buffer = new Uint8Array(65_536);
    let isOpen = true;
    while (isOpen) {
      const length = await from.read(buffer).catch(() => null);
      isOpen = length !== null;
      const bytes = length === null ? undefined : buffer.slice(0, length);
      const at = bytes ? seen(bytes) : now();
      underWay.push({ bytes, due: at + this.#roundTrip / 2 });
      wake();
    }
    await sending.catch(() => {});
  }
}
