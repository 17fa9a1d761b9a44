import { type NeonServer, serveNeon } from "@nullpool/db/dev";
import { bundleWorker } from "../support/bundle_worker.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { startWorkerd } from "../support/workerd.ts";
import app from "./better_auth_app.ts";
import { setup } from "./better_auth_schema.ts";

/** What an app has answered. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** The cookies that it sets, as a request has them. */
  readonly cookie: string;
}

/** What is sent along. */
export interface Question {
  /** Makes it a POST. @default {none: a GET} */
  readonly body?: unknown;
  /** @default {none} */
  readonly cookie?: string;
}

/** Asks an app. */
export type Ask = (path: string, question?: Question) => Promise<Answer>;

/** A database behind a Neon endpoint. */
export interface NeonBed extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly endpoint: NeonServer;
  /** Of the endpoint. */
  readonly url: string;
}

/** The app in some runtime, and its database. */
export interface RunningApp extends NeonBed {
  readonly ask: Ask;
}

/** Starts a database with better-auth's tables, and an endpoint. */
export async function startNeon(): Promise<NeonBed> {
  const database = await testDatabase({ setup });
  // Nothing is kept between requests: what is left was left by the app.
  const endpoint = await serveNeon({
    backend: database.url,
    port: 0,
    poolSize: 0,
  });
  return {
    database,
    endpoint,
    url: endpoint.url,
    async [Symbol.asyncDispose]() {
      await endpoint.close();
      await database.drop();
    },
  };
}

/** Starts the app in this process. */
export async function startInDeno(): Promise<RunningApp> {
  const bed = await startNeon();
  const bindings = { DATABASE_URL: bed.url };
  return {
    ...bed,
    ask: asking((path, init) => app.request(path, init, bindings)),
  };
}

/** Bundles the app as a Worker, and starts it in workerd. */
export async function startInWorkerd(): Promise<RunningApp> {
  const contents = await bundleWorker("tests/ecosystem/better_auth_app.ts", {
    tcp: false,
  });
  const bed = await startNeon();
  const running = await startWorkerd(contents, {
    compatibilityFlags: ["nodejs_compat"],
    bindings: { DATABASE_URL: bed.url },
  });
  return {
    ...bed,
    ask: asking(running.fetch),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await bed[Symbol.asyncDispose]();
    },
  };
}

/**
 * Asks as a browser does.
 *
 * @param fetch Given a path, or a URL of the app's own origin.
 */
export function asking(
  fetch: (path: string, init: RequestInit) => Response | Promise<Response>,
): Ask {
  return async (path, { body, cookie = "" } = {}) => {
    const response = await fetch(path, {
      headers: {
        "content-type": "application/json",
        origin: "http://localhost",
        cookie,
      },
      ...(body !== undefined &&
        { method: "POST", body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text.startsWith("{") || text.startsWith("[")
        ? JSON.parse(text)
        : { text },
      cookie: response.headers.getSetCookie()
        .map((line) => line.split(";", 1)[0]).join("; "),
    };
  };
}

/** Who signs up. */
export function person(name: string): Record<string, string> {
  return {
    name,
    email: `${name.toLowerCase()}@example.com`,
    password: `the pass phrase of ${name}`,
  };
}
