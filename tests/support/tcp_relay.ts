/** A client of a relay, and the server that it is passed on to. */
export interface Sides {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  /** Closes one of them, or both, unless that was done before. */
  close(...sides: Deno.TcpConn[]): void;
}

/** Stands between clients and a server, and closes all when it is disposed. */
export interface TcpRelay extends AsyncDisposable {
  /** Where clients connect to. */
  readonly port: number;
}

/**
 * Accepts clients for a server on this machine.
 *
 * @param url The server's URL.
 * @param pass Passes on what each client and the server say, until both have
 * ended.
 */
export function tcpRelay(
  url: string,
  pass: (sides: Sides) => Promise<unknown>,
): TcpRelay {
  const { hostname, port } = new URL(url);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  function close(...sides: Deno.TcpConn[]): void {
    for (const side of sides) if (open.delete(side)) side.close();
  }
  async function relay(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname, port: Number(port) });
    open.add(client).add(server);
    await pass({ client, server, close });
  }
  const relays = (async () => {
    const running: Promise<void>[] = [];
    for await (const client of listener) running.push(relay(client));
    await Promise.allSettled(running);
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      close(...open);
      await relays;
    },
  };
}
