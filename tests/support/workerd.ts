import { Miniflare, type MiniflareOptions } from "miniflare";

/** What a Worker is run with, besides its code. */
export interface WorkerdOptions {
  /** @default {"2026-04-01"} */
  readonly compatibilityDate?: string;
  /** @default {none} */
  readonly compatibilityFlags?: readonly string[];
  /** @default {none} */
  readonly bindings?: Readonly<Record<string, string>>;
  /** URLs by name. @default {none} */
  readonly hyperdrives?: Readonly<Record<string, string>>;
  /** Classes by name. @default {none} */
  readonly durableObjects?: Readonly<Record<string, string>>;
}

/** A Worker that runs in workerd, until it is disposed. */
export interface RunningWorker extends AsyncDisposable {
  /** Asks it. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/**
 * Runs a Worker in workerd.
 *
 * @param contents The code of one ES module, as `bundleWorker` makes it.
 * @param options What it is run with.
 */
export async function startWorkerd(
  contents: string,
  options: WorkerdOptions = {},
): Promise<RunningWorker> {
  const { compatibilityDate = "2026-04-01", compatibilityFlags = [] } = options;
  const { bindings, hyperdrives, durableObjects } = options;
  const settings: MiniflareOptions = {
    modules: [{ type: "ESModule", path: "worker.js", contents }],
    compatibilityDate,
    compatibilityFlags: [...compatibilityFlags],
    ...(bindings && { bindings }),
    ...(hyperdrives && { hyperdrives }),
    ...(durableObjects && { durableObjects }),
    cf: false,
  };
  const miniflare = new Miniflare(settings);
  const base = await miniflare.ready;
  return {
    fetch: (path, init) => fetch(new URL(path, base), init),
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}

/**
 * Starts what the tests of a file share before the first of them, and ends it
 * behind the last. Miniflare leaves a message port open and a folder that it
 * removes by and by: outside of a test they are no leak of it.
 *
 * @param start Starts it.
 * @returns Finds it, inside a test.
 */
export function aroundTests<Shared extends AsyncDisposable>(
  start: () => Promise<Shared>,
): () => Shared {
  let running: Shared | undefined;
  Deno.test.beforeAll(async () => {
    running = await start();
  });
  Deno.test.afterAll(async () => {
    await running?.[Symbol.asyncDispose]();
  });
  return () => {
    if (running === undefined) throw new Error("Nothing was started");
    return running;
  };
}
