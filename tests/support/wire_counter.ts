import { pipe } from "./pipe.ts";
import { tcpRelay } from "./tcp_relay.ts";

/** What has passed a {@linkcode wireCounter}. */
export interface WireCounts {
  /** TCP connections. */
  connections: number;
  /** HTTP requests that were no upgrade. */
  requests: number;
  /** WebSockets. */
  upgrades: number;
  /** How often a client has spoken, and a server answered. */
  flights: number;
}

/** Stands between a client and a server, and counts at the wire. */
export interface WireCounter extends AsyncDisposable {
  /** Where the client connects to. */
  readonly port: number;
  /** What has passed since the last call. */
  take(): WireCounts;
}

/**
 * Counts what passes between a client and a server on this machine.
 *
 * @param url The server's URL.
 */
export function wireCounter(url: string): WireCounter {
  let counts = none();
  const relay = tcpRelay(url, async ({ client, server, close }) => {
    counts.connections++;
    for (const each of [client, server]) each.setNoDelay();
    let isAnswered = true;
    const up = pipe(client, server, (bytes) => {
      if (isAnswered) counts.flights++;
      isAnswered = false;
      const text = new TextDecoder("latin1").decode(bytes.subarray(0, 16));
      if (text.startsWith("POST ")) counts.requests++;
      if (text.startsWith("GET ")) counts.upgrades++;
      return bytes;
    });
    const down = pipe(server, client, (bytes) => {
      isAnswered = true;
      return bytes;
    });
    await Promise.race([up, down]);
    close(client, server);
    await Promise.allSettled([up, down]);
  });
  return {
    port: relay.port,
    take() {
      const taken = counts;
      counts = none();
      return taken;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}

function none(): WireCounts {
  return { connections: 0, requests: 0, upgrades: 0, flights: 0 };
}
