import { fileURLToPath } from "node:url";
import { testDatabase } from "../tests/support/postgres.ts";
import type { EndpointQuestion } from "./endpoint_process.ts";
import { LineProcess } from "./line_process.ts";
import type { PeerAnswer, PeerQuestion, Prepared } from "./peer_process.ts";
import type { Mode } from "./peer.ts";
import { peerEntry, type PeerName } from "./peer_list.ts";
import type { WireEvent } from "./relay.ts";
import type { RelayAnswer, RelayQuestion } from "./relay_process.ts";
import type { Admin } from "./verify.ts";
import { SETUP } from "./workloads.ts";

/** A peer in a process, behind a relay of its own. */
export interface PeerRun {
  /** Which. */
  readonly name: PeerName;
  /** How it keeps connections. */
  readonly mode: Mode;
  /** How long it took to load. */
  readonly prepared: Prepared;
  /** Asks the process. */
  ask<T extends PeerAnswer>(question: PeerQuestion): Promise<T>;
  /** What its relay has seen since the last call. */
  takeEvents(): Promise<WireEvent[]>;
  /**
   * Closes the connections that `fetch` has kept: the others are the peer's own
   * affair.
   */
  forget(): Promise<void>;
}

/** A process of peers. */
export interface PeerProcess extends AsyncDisposable {
  /** In the order in which they were named. */
  readonly runs: readonly PeerRun[];
}

/** A database, an endpoint in front of it, and relays in front of both. */
export interface Bed extends AsyncDisposable {
  /** A connection that is no peer's. */
  readonly admin: Admin;
  /** Milliseconds of a round trip, for what is sent from now on. */
  setDistance(roundTrip: number): Promise<void>;
  /** Starts a process of peers, each behind a relay of its own. */
  start(names: readonly PeerName[], mode: Mode): Promise<PeerProcess>;
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT_CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));
const PEERS_CONFIG = fileURLToPath(
  new URL("peers/deno.json", import.meta.url),
);

/** Starts PostgreSQL, an endpoint and the process of the relays. */
export async function openBed(): Promise<Bed> {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await testDatabase({ setup: SETUP }));
  // The server of the tests writes down every statement.
  await database.query(
    `alter database ${database.name} set log_statement = 'none'`,
  );
  const endpoint = opened.use(
    new LineProcess<EndpointQuestion, string>(
      program(ROOT_CONFIG, "endpoint_process.ts"),
    ),
  );
  const relays = opened.use(
    new LineProcess<RelayQuestion, RelayAnswer>(
      program(ROOT_CONFIG, "relay_process.ts"),
    ),
  );
  const urls = {
    tcp: database.url,
    neon: await endpoint.ask({ backend: database.url }),
  };
  const stack = opened.move();
  return {
    admin: database,
    async setDistance(roundTrip) {
      await relays.ask({ kind: "distance", roundTrip });
    },
    start: (names, mode) => startProcess({ relays, urls, names, mode }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function program(config: string, file: string): string[] {
  return ["run", "-A", "--no-check", "--quiet", `--config=${config}`].concat(
    `${HERE}/${file}`,
  );
}

/** What peers are started with. */
interface Start {
  readonly relays: LineProcess<RelayQuestion, RelayAnswer>;
  readonly urls: { readonly tcp: string; readonly neon: string };
  readonly names: readonly PeerName[];
  readonly mode: Mode;
}

async function startProcess(
  { relays, urls, names, mode }: Start,
): Promise<PeerProcess> {
  await using opened = new AsyncDisposableStack();
  const ports = new Map<PeerName, number>();
  for (const name of names) {
    const { hostname, port } = new URL(urls[serverOf(name)]);
    const own = await relays.ask<number>({
      kind: "open",
      hostname,
      port: Number(port),
    });
    opened.defer(async () => {
      await relays.ask({ kind: "close", port: own });
    });
    ports.set(name, own);
  }
  // It ends before its relays do: some peers would tell of a lost connection.
  const child = opened.use(
    new LineProcess<PeerQuestion, PeerAnswer>(
      program(PEERS_CONFIG, "peer_process.ts"),
    ),
  );
  const runs: PeerRun[] = [];
  for (const [name, port] of ports) {
    const url = new URL(urls[serverOf(name)]);
    url.port = String(port);
    const prepared = await child.ask<Prepared>({
      kind: "prepare",
      peer: name,
      url: url.href,
      mode,
    });
    runs.push({
      name,
      mode,
      prepared,
      ask: (question) => child.ask(question),
      takeEvents: () => relays.ask<WireEvent[]>({ kind: "take", port }),
      async forget() {
        const { transport } = peerEntry(name);
        if (transport === "http") await relays.ask({ kind: "cut", port });
      },
    });
  }
  const stack = opened.move();
  return { runs, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function serverOf(name: PeerName): "tcp" | "neon" {
  return peerEntry(name).transport === "tcp" ? "tcp" : "neon";
}
