import { orderDesk } from "../order_desk/app.ts";
import { prepare } from "../order_desk/prepare.ts";
import { openEngine } from "./engine.ts";
import { inspected, INSPECTOR_PATH } from "./inspected.ts";
import { runProgram } from "./program.ts";
import { showRush } from "./rush.ts";

/** Milliseconds that requests have to end, once the process is asked to. */
const GRACE = 3_000;

/** Whether it is developed: `deno task dev`. Deno Deploy says nothing. */
const isDev = Deno.args.includes("--dev");

await runProgram(async () => {
  const port = portOf(Deno.env.get("PORT") || "8000");
  const secret = Deno.env.get("ORDER_DESK_SECRET");
  await using engine = openEngine(
    isDev ? { mode: "development", exposeParameters: true } : {},
  );
  // A real database is prepared before a deployment: deno task migrate.
  if (engine.driver.name === "pglite") await prepare(engine);

  const stopping = new AbortController();
  const desk = orderDesk(engine, { secret });
  const app = isDev ? await inspected(desk, engine, stopping.signal) : desk;
  const server = serve(port, app.fetch);
  const stopped = Promise.withResolvers<void>();
  for (const signal of stopSignals()) {
    Deno.addSignalListener(signal, () => stopped.resolve());
  }
  const rushing = showRush(engine, rushOf(Deno.args), stopping.signal);
  await Promise.race([server.finished, stopped.promise]);
  // Deno Deploy ends the process 5 seconds after the signal. Requests under way
  // have 3; then their statements are cancelled and their connections closed.
  stopping.abort();
  await rushing;
  const shutdown = server.shutdown();
  await Promise.race([shutdown, elapsed(GRACE)]);
  await engine.dispose({ deadline: 0 });
});
// A request that never ends would keep the process.
Deno.exit();

function serve(port: number, handler: Deno.ServeHandler): Deno.HttpServer {
  // Only this machine may connect, unless Deno Deploy stands before it.
  const hostname = Deno.env.has("DENO_DEPLOY") ? "0.0.0.0" : "127.0.0.1";
  function onListen(address: Deno.NetAddr): void {
    const url = `http://${address.hostname}:${address.port}`;
    console.log(`Order desk: ${url}/`);
    if (isDev) console.log(`Inspector: ${url}${INSPECTOR_PATH}`);
  }
  try {
    return Deno.serve({ port, hostname, onListen }, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new RangeError(
      `Cannot listen on port ${port}: it is in use, set PORT to another one`,
    );
  }
}

/** How many orders are placed at the start: `--rush=200`. */
function rushOf(args: readonly string[]): number {
  const [, count = "0"] = args.map((arg) => arg.split("="))
    .find(([name]) => name === "--rush") ?? [];
  if (/^\d{1,5}$/.test(count)) return Number(count);
  throw new RangeError("Cannot use --rush: it is a number of orders");
}

function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new RangeError("Cannot use PORT: it is a number from 0 to 65535");
}

function stopSignals(): Deno.Signal[] {
  return Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
}
