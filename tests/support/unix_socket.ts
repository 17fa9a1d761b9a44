import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A server that is reached by a socket in a folder, as one on the same machine. */
export interface UnixSocket extends AsyncDisposable {
  /** The URL of a database there. */
  readonly url: string;
}

/**
 * Makes a socket in a folder of its own that leads to a server.
 *
 * @param url The server's URL.
 */
export async function unixSocket(url: string): Promise<UnixSocket> {
  const there = new URL(url);
  const { hostname, port } = there;
  const folder = await Deno.makeTempDir();
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const backend = connect(Number(port), hostname);
    for (const [from, to] of [[client, backend], [backend, client]] as const) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => open.delete(from));
      from.pipe(to);
    }
  });
  server.listen(`${folder}/.s.PGSQL.${port}`);
  await once(server, "listening");
  const password = there.password && `:${there.password}`;
  return {
    url: `postgres://${there.username}${password}@${
      encodeURIComponent(folder)
    }:${port}${there.pathname}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
