import { createRequire } from "node:module";
import { freePort, listening } from "./free_port.ts";

/** A Worker that runs in workerd alone: Miniflare hides a client that leaves. */
export interface RawWorker extends AsyncDisposable {
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
}

/**
 * Runs a Worker in workerd, without Miniflare around it.
 *
 * @param contents The code of one ES module, as `bundleWorker` makes it.
 * @param bindings Texts by name.
 */
export async function startRawWorkerd(
  contents: string,
  bindings: Readonly<Record<string, string>>,
): Promise<RawWorker> {
  const require = createRequire(import.meta.resolve("miniflare"));
  const program: string = require("workerd").default;
  const folder = await Deno.makeTempDir({ prefix: "workerd-" });
  const port = freePort();
  const texts = Object.entries(bindings).map(([name, text]) =>
    `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`
  );
  await Deno.writeTextFile(`${folder}/worker.js`, contents);
  await Deno.writeTextFile(
    `${folder}/config.capnp`,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["nodejs_compat", "enable_request_signal"],
  bindings = [${texts.join(", ")}],
);
`,
  );
  const server = new Deno.Command(program, {
    args: ["serve", `${folder}/config.capnp`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  await listening(port, 20_000);
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
