import { assert, assertEquals } from "@std/assert";
import { nullpoolNeon, nullpoolWebSocket } from "../../bench/nullpool_neon.ts";
import { nullpoolPostgres } from "../../bench/nullpool_postgres.ts";
import { type Mode, MODES, type Peer } from "../../bench/peer.ts";
import type { PeerName } from "../../bench/peer_list.ts";
import { now, Relay } from "../../bench/relay.ts";
import { wireCost } from "../../bench/round_trips.ts";
import { limitOf, transportOf } from "../../bench/targets.ts";
import { lookBefore, verify } from "../../bench/verify.ts";
import {
  SETUP,
  WORKLOAD_NAMES,
  type WorkloadName,
  WORKLOADS,
} from "../../bench/workloads.ts";
import { serveNeon } from "../../src/dev/serve_neon.ts";
import { testDatabase } from "../support/postgres.ts";

/** Milliseconds: enough to tell a round trip from what takes none. */
const DISTANCE = 12;

const OWN: Readonly<Partial<Record<PeerName, Peer>>> = {
  "nullpool-neon": nullpoolNeon,
  "nullpool-websocket": nullpoolWebSocket,
  "nullpool-postgres": nullpoolPostgres,
};

/** Without the longest, which is no other than the one before it. */
const QUICK = WORKLOAD_NAMES.filter((name) => name !== "W6-10k");

async function bedOf(name: PeerName) {
  const database = await testDatabase({ setup: SETUP });
  const isTcp = name === "nullpool-postgres";
  const server = isTcp
    ? undefined
    : await serveNeon({ backend: database.url, port: 0 });
  const url = new URL(server?.url ?? database.url);
  const relay = new Relay({ hostname: "127.0.0.1", port: Number(url.port) });
  relay.roundTrip = DISTANCE;
  url.port = String(relay.port);
  return {
    database,
    relay,
    url: url.href,
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await server?.close();
      await database.drop();
    },
  };
}

async function roundTrips(name: PeerName, peer: Peer, mode: Mode) {
  await using bed = await bedOf(name);
  const open = await peer.prepare(bed.url, mode);
  const found: Partial<Record<WorkloadName, number>> = {};
  let number = 0;
  async function request(workload: WorkloadName): Promise<number> {
    const input = { tag: `${workload} ${number}`, number };
    number++;
    const before = await lookBefore(bed.database, input);
    const run = WORKLOADS[workload].request(input);
    bed.relay.take();
    const store = await open();
    const answer = await run(store);
    const cost = wireCost(bed.relay.take(), now(), DISTANCE);
    await store.close();
    await verify(bed.database, { workload, input, before, answer });
    return cost.roundTrips;
  }
  // The first login of a process finds out how the server logs in.
  await request("W1");
  for (const workload of QUICK) {
    // Twice: what is measured cold opens a connection, what is warm has one.
    if (mode === "warm") await request(workload);
    else bed.relay.cut();
    found[workload] = await request(workload);
  }
  return found;
}

for (const [name, peer] of Object.entries(OWN) as [PeerName, Peer][]) {
  for (const mode of MODES) {
    Deno.test({
      name: `side by side: ${name}, ${mode}, needs the promised round trips`,
      async fn() {
        const promised = QUICK.map((workload) => {
          const transport = transportOf(name, workload);
          return [workload, limitOf(workload, transport, mode)] as const;
        });
        assertEquals(
          await roundTrips(name, peer, mode),
          Object.fromEntries(promised),
        );
      },
    });
  }
}

Deno.test("wireCost() counts what the answer waited for", () => {
  const at = (kind: "connect" | "speak", ms: number) => ({ kind, at: ms });
  const chain = [at("connect", 0), at("speak", 10), at("speak", 21)];
  assertEquals(wireCost(chain, 32, 10).roundTrips, 3);
  // Three connections side by side are one wait, and count as three.
  const broad = [0, 0.2, 0.4].flatMap((ms) => [
    at("connect", ms),
    at("speak", ms + 10),
  ]);
  const { roundTrips, connections } = wireCost(broad, 21, 10);
  assertEquals([roundTrips, connections], [2, 3]);
  // A farewell, and what comes after the answer, are nobody's wait.
  const farewell = [...chain, at("speak", 31.9), at("connect", 40)];
  assertEquals(wireCost(farewell, 32, 10).roundTrips, 3);
  assertEquals(wireCost(farewell, 32, 10).connections, 1);
});

Deno.test("the benchmark runs the packages that this library is tested with", async () => {
  const [lock, own, peers] = await Promise.all(
    ["../../.ci/deno.lock", "../../deno.json", "../../bench/peers/deno.json"]
      .map(async (file) =>
        JSON.parse(await Deno.readTextFile(new URL(file, import.meta.url)))
      ),
  );
  const names = Object.keys(peers.imports)
    .filter((name) => !name.endsWith("/") && own.imports[name]);
  assert(names.length > 3);
  const tested = Object.keys(lock.npm);
  for (const name of names) {
    const version = peers.imports[name].replace("npm:", "");
    const found = tested.filter((each) => each.startsWith(`${name}@`))
      .map((each) => each.split("_")[0]);
    assert(found.includes(version), `${version} is none of ${found}`);
  }
});
