/** A process of its own for the Neon endpoint. */
import { serveNeon } from "../src/dev/serve_neon.ts";
import { answerLines } from "./line_process.ts";

/** What the process is asked for: an endpoint in front of a database. */
export interface EndpointQuestion {
  /** The database. */
  readonly backend: string;
}

async function main(): Promise<void> {
  await using servers = new AsyncDisposableStack();
  await answerLines<EndpointQuestion>(async ({ backend }) => {
    const server = servers.use(await serveNeon({ backend, port: 0 }));
    return server.url;
  });
}

if (import.meta.main) await main();
