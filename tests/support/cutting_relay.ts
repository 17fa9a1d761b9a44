import { pipe } from "./pipe.ts";
import { tcpRelay } from "./tcp_relay.ts";

/** When a connection is cut: what the client says next is lost, or the answer is, or a part of it. */
export type Cut = "before" | "after" | "during";

/** Stands between a client and a server, and cuts one connection when told so. */
export interface CuttingRelay extends AsyncDisposable {
  /** Where the client connects to. */
  readonly port: number;
  /** How many connections were cut so far. */
  readonly cuts: number;
  /** Cuts the connection on which the client speaks next, or some times later. */
  arm(cut: Cut, later?: number): void;
  /** Cuts the clients that there are, and lets the server go on. */
  cutNow(): void;
  /** Cuts none, if none was cut yet. */
  disarm(): void;
  /** Passes nothing on while it is true, and closes nothing. */
  isSilent: boolean;
  /**
   * Passes nothing on of the clients that there are, not even that they end, as
   * a firewall does that has forgotten them. Those that come later are served.
   */
  forget(): void;
}

/**
 * Makes a relay to a server on this machine.
 *
 * @param url The server's URL.
 */
export function cuttingRelay(url: string): CuttingRelay {
  const clients = new Map<Deno.TcpConn, () => void>();
  const forgotten = new Set<Deno.TcpConn>();
  let armed: Cut | undefined;
  let waiting = 0;
  let cuts = 0;
  const relay = tcpRelay(url, async ({ client, server, close }) => {
    clients.set(client, () => close(client));
    let cut: Cut | undefined;
    const isMute = () => made.isSilent || forgotten.has(client);
    const up = pipe(client, server, (bytes) => {
      if (isMute()) return undefined;
      if (armed === undefined || cut !== undefined) return bytes;
      if (waiting-- > 0) return bytes;
      cut = armed;
      armed = undefined;
      cuts++;
      if (cut !== "before") return bytes;
      close(client, server);
      return undefined;
    });
    const down = pipe(server, client, (bytes) => {
      if (isMute()) return undefined;
      if (cut === undefined) return bytes;
      if (cut === "after") close(client);
      // Half of it, and the end.
      return cut === "during"
        ? bytes.subarray(0, bytes.length >> 1)
        : undefined;
    }, () => cut === "during" && close(client));
    await Promise.all([
      up.finally(() => forgotten.has(client) || close(server)),
      down.finally(() => forgotten.has(client) || close(client)),
    ]);
  });
  const made: CuttingRelay = {
    isSilent: false,
    port: relay.port,
    get cuts() {
      return cuts;
    },
    arm(cut, later = 0) {
      armed = cut;
      waiting = later;
    },
    cutNow() {
      for (const close of clients.values()) close();
    },
    disarm() {
      armed = undefined;
    },
    forget() {
      for (const client of clients.keys()) forgotten.add(client);
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
  return made;
}
