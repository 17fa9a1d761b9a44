import { type NeonServer, serveNeon } from "../../src/dev/serve_neon.ts";
import { bundleWorker } from "./bundle_worker.ts";
import {
  type TestDatabase,
  testDatabase,
  type TestDatabaseOptions,
} from "./postgres.ts";
import {
  aroundTests,
  type RunningWorker,
  startWorkerd,
  type WorkerdOptions,
} from "./workerd.ts";

/** A Worker and its database. */
export interface DatabaseWorker extends RunningWorker {
  /** Reached over TCP. */
  readonly database: TestDatabase;
  /** Speaks for the database, over HTTP and WebSocket. */
  readonly endpoint: NeonServer;
}

/** How a Worker runs that has a database. */
export interface DatabaseWorkerOptions extends TestDatabaseOptions {
  /** Whether it opens sockets. */
  readonly tcp: boolean;
  /** Fills the database. @default {nothing} */
  readonly prepare?: (database: TestDatabase) => Promise<void>;
  /** What workerd gives it. */
  readonly runtime: (urls: { tcp: string; neon: string }) => WorkerdOptions;
}

/**
 * Runs a Worker and a database of its own around the tests of a file.
 *
 * @param path The Worker's module.
 * @param options How it runs.
 * @returns Finds both, inside a test.
 */
export function databaseWorker(
  path: string,
  { tcp, prepare, runtime, ...options }: DatabaseWorkerOptions,
): () => DatabaseWorker {
  return aroundTests(async () => {
    const contents = await bundleWorker(path, { tcp });
    const database = await testDatabase(options);
    await prepare?.(database);
    // Nothing is kept between requests: what is left was left by the Worker.
    const endpoint = await serveNeon({
      backend: database.url,
      port: 0,
      poolSize: 0,
    });
    const running = await startWorkerd(
      contents,
      runtime({ tcp: database.url, neon: endpoint.url }),
    );
    return {
      database,
      endpoint,
      fetch: running.fetch,
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        await endpoint.close();
        await database.drop();
      },
    };
  });
}
