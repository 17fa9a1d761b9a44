import { waitFor } from "./wait_for.ts";

/** A port of this machine on which nobody listens now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * Resolves when a server of another process takes connections.
 *
 * @param port Where it listens, on this machine.
 * @param deadline Milliseconds that it may take.
 */
export async function listening(port: number, deadline = 5_000): Promise<void> {
  await waitFor(async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  }, deadline);
}
