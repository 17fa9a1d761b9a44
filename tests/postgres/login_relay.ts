import { pipe } from "../support/pipe.ts";

/** What a relay makes of what it reads; it closes where there is nothing. */
export type Rewrite = (bytes: Uint8Array) => Uint8Array | undefined;

/** How a relay treats somebody who logs in. */
export interface LoginFaults {
  /** What the client says. */
  readonly client?: Rewrite;
  /** What the server says. */
  readonly server?: Rewrite;
}

/** Stands between a client and a server. */
export interface LoginRelay extends AsyncDisposable {
  /** The URL of a database behind it. */
  urlOf(url: string): string;
  /** From now on; at first there are none. */
  faults: LoginFaults;
}

/**
 * Makes a relay to a server on this machine that has faults until the server
 * is ready, as a pooler may that logs in by a code of its own.
 *
 * @param url The server's URL.
 */
export function loginRelay(url: string): LoginRelay {
  const { hostname, port } = new URL(url);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.TcpConn>();
  async function relay(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({ hostname, port: Number(port) });
    open.add(client).add(server);
    const { faults } = made;
    let isReady = false;
    function close(): void {
      for (const side of [client, server]) if (open.delete(side)) side.close();
    }
    function pass(bytes: Uint8Array, rewrite: Rewrite = (all) => all) {
      if (isReady) return bytes;
      const passed = rewrite(bytes);
      if (passed === undefined) close();
      return passed;
    }
    const up = pipe(client, server, (bytes) => pass(bytes, faults.client));
    const down = pipe(server, client, (bytes) => {
      const passed = pass(bytes, faults.server);
      isReady ||= passed !== undefined && typesOf(passed).includes("Z");
      return passed;
    });
    await Promise.race([up, down]);
    close();
    await Promise.all([up, down]);
  }
  const relays = (async () => {
    const running: Promise<void>[] = [];
    for await (const client of listener) running.push(relay(client));
    await Promise.allSettled(running);
  })();
  const made: LoginRelay = {
    faults: {},
    urlOf(database) {
      const behind = new URL(database);
      behind.port = String(listener.addr.port);
      return behind.href;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const each of open) each.close();
      open.clear();
      await relays;
    },
  };
  return made;
}

/** The messages in some bytes; a start-up has no type in front of its length. */
export function messagesIn(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at] === 0 ? 0 : 1;
    const end = at + type + view.getInt32(at + type);
    messages.push(bytes.subarray(at, end));
    at = end;
  }
  return messages;
}

function typesOf(bytes: Uint8Array): string {
  return messagesIn(bytes).map(([type = 0]) => String.fromCharCode(type))
    .join("");
}
