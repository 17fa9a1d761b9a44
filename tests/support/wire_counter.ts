import { pipe } from "./pipe.ts";

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
  const { hostname, port } = new URL(url);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  let counts = none();
  async function relay(client: Deno.TcpConn): Promise<void> {
    counts.connections++;
    const server = await Deno.connect({ hostname, port: Number(port) });
    for (const each of [client, server]) {
      open.add(each);
      each.setNoDelay();
    }
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
    for (const each of [client, server]) {
      if (open.delete(each)) each.close();
    }
    await Promise.allSettled([up, down]);
  }
  const relays = (async () => {
    const running: Promise<void>[] = [];
    for await (const client of listener) running.push(relay(client));
    await Promise.allSettled(running);
  })();
  return {
    port: listener.addr.port,
    take() {
      const taken = counts;
      counts = none();
      return taken;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const each of open) each.close();
      open.clear();
      await relays;
    },
  };
}

function none(): WireCounts {
  return { connections: 0, requests: 0, upgrades: 0, flights: 0 };
}
