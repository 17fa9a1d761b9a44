import type { Peer } from "./peer.ts";
import type { WorkloadName } from "./workloads.ts";

/** What carries a peer's statements. */
export type Transport = "http" | "websocket" | "tcp";

/** All of them, from the fewest round trips on. */
export const TRANSPORTS: readonly Transport[] = ["http", "websocket", "tcp"];

/** As the tables call them. */
export const TRANSPORT_TITLES: Readonly<Record<Transport, string>> = {
  http: "HTTP",
  websocket: "WebSocket",
  tcp: "TCP",
};

/** A peer as data: nothing of it is loaded before a process of its own runs. */
export interface PeerEntry {
  /** What the tables call it. */
  readonly title: string;
  /** What carries its statements; `http` may open a WebSocket for some. */
  readonly transport: Transport;
  /** Whether it is this library, an ORM or query builder, or code by hand. */
  readonly kind: "own" | "orm" | "hand";
  /** Its module, relative to this one. */
  readonly module: string;
  /** Its export. */
  readonly export: string;
  /** What it has no way to do. */
  readonly cannot?: readonly WorkloadName[];
  /** What it does without a transaction, by conditions written by hand. */
  readonly guarded?: readonly WorkloadName[];
  /** Whether `deno task bench` has it too. */
  readonly isShort?: boolean;
}

const NO_TRANSACTION = {
  cannot: ["W7", "W8"],
  guarded: ["W3", "W5"],
} as const satisfies Partial<PeerEntry>;

/** All of them, by the names that the command line takes. */
export const PEERS = {
  "nullpool-neon": {
    title: "Nullpool, `neon()`",
    transport: "http",
    kind: "own",
    module: "./nullpool_neon.ts",
    export: "nullpoolNeon",
    isShort: true,
  },
  "nullpool-websocket": {
    title: "Nullpool, `neon()` without HTTP",
    transport: "websocket",
    kind: "own",
    module: "./nullpool_neon.ts",
    export: "nullpoolWebSocket",
    isShort: true,
  },
  "nullpool-postgres": {
    title: "Nullpool, `postgres()`",
    transport: "tcp",
    kind: "own",
    module: "./nullpool_postgres.ts",
    export: "nullpoolPostgres",
    isShort: true,
  },
  "drizzle-neon-http": {
    title: "Drizzle, neon-http",
    transport: "http",
    kind: "orm",
    module: "./peers/drizzle_neon_http.ts",
    export: "drizzleNeonHttp",
    ...NO_TRANSACTION,
    isShort: true,
  },
  "drizzle-neon-serverless": {
    title: "Drizzle, neon-serverless",
    transport: "websocket",
    kind: "orm",
    module: "./peers/drizzle_neon_serverless.ts",
    export: "drizzleNeonServerless",
    isShort: true,
  },
  "drizzle-pg": {
    title: "Drizzle, pg",
    transport: "tcp",
    kind: "orm",
    module: "./peers/drizzle_pg.ts",
    export: "drizzlePg",
    isShort: true,
  },
  "drizzle-postgres": {
    title: "Drizzle, postgres",
    transport: "tcp",
    kind: "orm",
    module: "./peers/drizzle_postgres.ts",
    export: "drizzlePostgres",
  },
  kysely: {
    title: "Kysely, pg",
    transport: "tcp",
    kind: "orm",
    module: "./peers/kysely.ts",
    export: "kysely",
  },
  mikroorm: {
    title: "MikroORM",
    transport: "tcp",
    kind: "orm",
    module: "./peers/mikroorm.ts",
    export: "mikroorm",
    isShort: true,
  },
  "prisma-neon": {
    title: "Prisma, adapter-neon",
    transport: "websocket",
    kind: "orm",
    module: "./peers/prisma.ts",
    export: "prismaNeon",
  },
  "prisma-pg": {
    title: "Prisma, adapter-pg",
    transport: "tcp",
    kind: "orm",
    module: "./peers/prisma.ts",
    export: "prismaPg",
  },
  typeorm: {
    title: "TypeORM",
    transport: "tcp",
    kind: "orm",
    module: "./peers/typeorm.ts",
    export: "typeorm",
  },
  neon: {
    title: "`neon()` by hand",
    transport: "http",
    kind: "hand",
    module: "./peers/neon_http.ts",
    export: "rawNeon",
    ...NO_TRANSACTION,
  },
  pg: {
    title: "pg by hand",
    transport: "tcp",
    kind: "hand",
    module: "./peers/pg.ts",
    export: "rawPg",
  },
  "pg-pipelined": {
    title: "pg by hand, pipelined",
    transport: "tcp",
    kind: "hand",
    module: "./peers/pg_pipelined.ts",
    export: "pipelinedPg",
    isShort: true,
  },
  postgres: {
    title: "postgres by hand",
    transport: "tcp",
    kind: "hand",
    module: "./peers/postgres.ts",
    export: "rawPostgres",
  },
} as const satisfies Readonly<Record<string, PeerEntry>>;

/** A peer's name on the command line. */
export type PeerName = keyof typeof PEERS;

/** Their names, in the order of the tables. */
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];

/** This library on each transport. */
export const OWN: Readonly<Record<Transport, PeerName>> = {
  http: "nullpool-neon",
  websocket: "nullpool-websocket",
  tcp: "nullpool-postgres",
};

/** A peer as data. */
export function peerEntry(name: PeerName): PeerEntry {
  return PEERS[name];
}

/** Whether a peer has a way to do something. */
export function can(name: PeerName, workload: WorkloadName): boolean {
  return !peerEntry(name).cannot?.includes(workload);
}

/**
 * Loads a peer.
 *
 * @param name Which one.
 */
export async function loadPeer(name: PeerName): Promise<Peer> {
  const { module, export: exported } = peerEntry(name);
  const loaded: Record<string, Peer> = await import(
    new URL(module, import.meta.url).href
  );
  const peer = loaded[exported];
  if (!peer) throw new TypeError(`Cannot load ${name}: no such export`);
  return peer;
}
