import { assert, assertEquals } from "@std/assert";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import type { Outcome, RunOptions } from "../support/node.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

const SETUP = `
  create table authors (id serial primary key, name text not null unique);
  create table books (
    id int generated always as identity primary key,
    author int not null references authors,
    title text not null
  );
  insert into authors (name) values ('Grace');
`;

/** A driver of the scenario; each has a database of its own. */
type DriverName = "neon" | "postgres";

/** Clients as the server counts them. */
interface Count {
  readonly connections: number;
  readonly transactions: number;
}

/**
 * Milliseconds that a runtime has, its own end included: a connection that was
 * left open may keep it from that.
 */
const DEADLINE = 40_000;

/** What a runtime is given for the scenario, and what it then did. */
export interface RuntimeBed extends AsyncDisposable {
  /** What it is told, as variables of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Compares what it reported, and what the server saw, with what every
   * runtime has to do.
   *
   * @param drivers Those that it has.
   * @param output What it wrote, for the message.
   */
  check(drivers: readonly DriverName[], output?: string): void;
}

/**
 * Runs the scenario by a program, which has to end by itself, silently.
 *
 * @param drivers Those that it has.
 * @param run Runs it to its end.
 */
export async function runsScenario(
  drivers: readonly DriverName[],
  run: (options: RunOptions) => Promise<Outcome>,
): Promise<void> {
  await using bed = await runtimeBed();
  const outcome = await run({ env: bed.env, deadlineMs: DEADLINE });
  bed.check(drivers, outcome.output);
  assertEquals(outcome, { code: 0, output: "" });
}

/** What reads and two commits cost: HTTP needs no connection. */
const COSTS = {
  neon: [
    { roundTrips: 1, requests: 1, connections: 0 },
    { roundTrips: 2, requests: 2, connections: 0 },
  ],
  postgres: [
    { roundTrips: 1, requests: 0, connections: 1 },
    { roundTrips: 2, requests: 0, connections: 2 },
  ],
} as const;

function expectedOf(driver: DriverName): unknown {
  const [ofReads, ofWork] = COSTS[driver];
  return {
    read: { names: ["Grace"], titles: 0, cost: ofReads },
    work: {
      known: [2, 2, 2],
      author: { id: 2, name: "Ada Lovelace" },
      books: [
        { id: 1, author: 2, title: "Notes" },
        { id: 2, author: 2, title: "Sketch" },
      ],
      cost: ofWork,
    },
    errors: { isOwn: true, isIntegrity: true, code: "INTEGRITY_VIOLATION" },
    tasks: [0, 1, 2, 3].map((n) => ({ isCurrent: true, sees: [`task ${n}`] })),
    left: {
      names: [
        "Ada Lovelace",
        "Grace",
        "task 0",
        "task 1",
        "task 2",
        "task 3",
      ],
      titles: 2,
      cost: ofReads,
    },
  };
}

/** What the server counts at each moment that the scenario names. */
const EXPECTED_COUNTS: Readonly<Record<string, Count>> = {
  tasks: { connections: 4, transactions: 4 },
  closed: { connections: 0, transactions: 0 },
};

/** Makes databases, a Neon endpoint, and a server that is reported to. */
export async function runtimeBed(): Promise<RuntimeBed> {
  const databases = {
    neon: await testDatabase({ setup: SETUP }),
    postgres: await testDatabase({ setup: SETUP }),
  };
  const exchanges = { http: 0, websocket: 0 };
  const endpoint = await serveNeon({
    backend: databases.neon.url,
    port: 0,
    // What it kept for the next request would be counted as the runtime's.
    poolSize: 0,
    faults({ transport }) {
      exchanges[transport]++;
      return undefined;
    },
  });
  const counts: Record<string, Record<string, Count>> = {};
  let results: Record<string, unknown> | undefined;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const [, name, moment] = new URL(request.url).pathname.split("/");
      if (name === "neon" || name === "postgres") {
        const count = await look(databases[name], String(moment));
        counts[name] = { ...counts[name], [String(moment)]: count };
      } else results = await request.json();
      return new Response();
    },
  );
  return {
    env: {
      NEON_URL: withPort(databases.neon.url, endpoint.port),
      POSTGRES_URL: databases.postgres.url,
      REPORT_URL: `http://127.0.0.1:${server.addr.port}`,
    },
    check(drivers, output) {
      assertEquals(
        results,
        Object.fromEntries(drivers.map((name) => [name, expectedOf(name)])),
        output,
      );
      assertEquals(
        counts,
        Object.fromEntries(drivers.map((name) => [name, EXPECTED_COUNTS])),
      );
      // Both of Neon's protocols were spoken.
      assertEquals(exchanges.http, 4);
      assert(exchanges.websocket > 0);
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await endpoint.close();
      for (const database of Object.values(databases)) await database.drop();
    },
  };
}

/**
 * Counts who is connected. Goodbyes are not answered: behind the last session
 * they are waited for, while the runtime waits for us.
 */
async function look(database: TestDatabase, moment: string): Promise<Count> {
  if (moment === "closed") {
    await database.waitFor(async () => await database.connections() === 0)
      .catch(() => {});
  }
  return {
    connections: await database.connections(),
    transactions: await database.openTransactions(),
  };
}

function withPort(url: string, port: number): string {
  const result = new URL(url);
  result.port = String(port);
  return result.href;
}
