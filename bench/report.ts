import { fileURLToPath } from "node:url";
import { chart } from "./chart.ts";
import { type Age, CPU_WORKLOADS, cpuBesideDrizzle } from "./beside_drizzle.ts";
import { type Mode, MODES } from "./peer.ts";
import {
  can,
  PEER_NAMES,
  peerEntry,
  type PeerName,
  TRANSPORT_TITLES,
  TRANSPORTS,
} from "./peer_list.ts";
import { betterPeers } from "./better_peers.ts";
import {
  type Distance,
  type Measured,
  measuredOf,
  type Results,
} from "./results.ts";
import { limitOf, verdicts } from "./targets.ts";
import { WORKLOAD_NAMES, type WorkloadName, WORKLOADS } from "./workloads.ts";

const README = fileURLToPath(new URL("README.md", import.meta.url));
const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));
const PICTURE = fileURLToPath(new URL("round_trip_time.svg", import.meta.url));
const BEGIN = "<!-- results -->";
const END = "<!-- end of results -->";

/** A row of a table. */
type Row = readonly string[];

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => at === 0 ? "---" : "--:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** A table of peers by workloads. */
function byWorkload(
  results: Results,
  mode: Mode,
  cell: (measured: Measured, workload: WorkloadName, peer: PeerName) => string,
  workloads: readonly WorkloadName[] = WORKLOAD_NAMES,
): Row[] {
  return PEER_NAMES.flatMap((peer) => {
    const cells = workloads.map((workload) => {
      if (!can(peer, workload)) return "–";
      const measured = measuredOf(results, workload, mode, peer);
      return measured ? cell(measured, workload, peer) : "";
    });
    return cells.every((text) => text === "" || text === "–")
      ? []
      : [[peerEntry(peer).title, ...cells]];
  });
}

function limits(mode: Mode): Row[] {
  return TRANSPORTS.map((transport) => [
    `*limit, ${TRANSPORT_TITLES[transport]}*`,
    ...WORKLOAD_NAMES.map((workload) => {
      const limit = limitOf(workload, transport, mode);
      return limit === undefined ? "–" : `*${limit}*`;
    }),
  ]);
}

function roundTrips(results: Results, mode: Mode): string {
  const rows = byWorkload(results, mode, ({ at }, workload, peer) => {
    const mark = peerEntry(peer).guarded?.includes(workload) ? "*" : "";
    const trips = at[30]?.wire?.roundTrips;
    return trips === undefined ? "" : `${trips}${mark && "\\*"}`;
  });
  return table(["", ...WORKLOAD_NAMES], [...rows, ...limits(mode)]);
}

/** Milliseconds, and how many times the fastest. */
function times(results: Results, mode: Mode, distance: Distance): string {
  const fastest = new Map(WORKLOAD_NAMES.map((workload) => {
    const all = PEER_NAMES.flatMap((peer) =>
      measuredOf(results, workload, mode, peer)?.at[distance]?.ms ?? []
    );
    return [workload, Math.min(...all)];
  }));
  const rows = byWorkload(results, mode, ({ at }, workload) => {
    const ms = at[distance]?.ms;
    if (ms === undefined) return "";
    const ratio = ms / (fastest.get(workload) ?? NaN);
    return `${milliseconds(ms)} (${ratio.toFixed(1)})`;
  });
  return table(["", ...WORKLOAD_NAMES], rows);
}

function milliseconds(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
}

function wire(results: Results): string {
  const rows = byWorkload(results, "cold", ({ at }) => {
    const cost = at[30]?.wire;
    if (!cost) return "";
    const { connections, requests, upgrades } = cost;
    return `${connections} / ${requests} / ${upgrades}`;
  });
  return table(["", ...WORKLOAD_NAMES], rows);
}

const HOT_HEAD: Row = MODES.flatMap((mode) =>
  CPU_WORKLOADS.map((workload) => `${workload} ${mode}`)
);

/** Ours by Drizzle's, on the same driver. */
function besideDrizzle(results: Results): string {
  const ages: readonly Age[] = ["hot", "young"];
  const rows = ages.flatMap((age) => {
    const ratios = cpuBesideDrizzle(results, age);
    return TRANSPORTS.map((transport) => [
      `${TRANSPORT_TITLES[transport]}, ${age}`,
      ...ratios.filter((each) => each.transport === transport)
        .map(({ ratio }) => ratio?.toFixed(2) ?? ""),
    ]);
  });
  return table(["", ...HOT_HEAD], rows);
}

function hotCpu(results: Results): string {
  const rows = PEER_NAMES.map((peer) => [
    peerEntry(peer).title,
    ...MODES.flatMap((mode) =>
      CPU_WORKLOADS.map((workload) => {
        const ms = measuredOf(results, workload, mode, peer)?.cpu?.hotMs;
        return ms?.toFixed(2) ?? "";
      })
    ),
  ]);
  return table(["", ...HOT_HEAD], rows.filter(([, first]) => first !== ""));
}

function youngCpu(results: Results): string {
  const rows = byWorkload(
    results,
    "cold",
    ({ at, cpu }) => (cpu?.youngMs ?? at[0]?.cpuMs)?.toFixed(1) ?? "",
  );
  return table(["", ...WORKLOAD_NAMES], rows);
}

function weights(results: Results): string {
  const rows = PEER_NAMES.flatMap((peer) => {
    const small = measuredOf(results, "W1", "cold", peer);
    const large = measuredOf(results, "W6-10k", "cold", peer);
    const size = results.sizes[peer];
    if (!small) return [];
    return [[
      peerEntry(peer).title,
      megabytes(small.peakBytes),
      large ? megabytes(large.peakBytes) : "",
      size ? (size.bytes / 1_024).toFixed(0) : "",
      size ? (size.gzip / 1_024).toFixed(0) : "",
      small.loadMs.toFixed(0),
      small.prepareMs.toFixed(0),
      small.firstMs.toFixed(0),
    ]];
  });
  const head = [
    "",
    "peak MB, W1",
    "peak MB, W6-10k",
    "bundle KiB",
    "gzip KiB",
    "load ms",
    "set up ms",
    "first W1 ms",
  ];
  return table(head, rows);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function targets(results: Results): string {
  const rows = verdicts(results)
    .filter(({ isMet }) => isMet !== undefined)
    .map(({ target, found, isMet }) => [
      target,
      found,
      isMet ? "met" : "**missed**",
    ]);
  return table(["target", "found", ""], rows)
    .replace("| --: | --: |", "| --- | --- |");
}

function workloads(): string {
  return WORKLOAD_NAMES.map((name) => `- **${name}**: ${WORKLOADS[name].title}`)
    .join("\n");
}

/** Everything, as Markdown. */
function allTables(results: Results): string {
  const { date, deno, machine, server, packages } = results.setting;
  return [
    `Measured on ${date} with Deno ${deno}, ${server}, ${machine}; ${
      packages.join(", ")
    }.`,
    workloads(),
    "### Targets",
    targets(results),
    "### Where a peer is better",
    betterPeers(results),
    "### Round trips of a request that opens its connection",
    roundTrips(results, "cold"),
    "\\* without a transaction, by conditions written by hand. –: it has no way to do it.",
    "### Round trips on a connection that was kept",
    roundTrips(results, "warm"),
    "### Milliseconds at a round-trip time of 30 ms, cold (times the fastest)",
    times(results, "cold", 30),
    "### The same, warm",
    times(results, "warm", 30),
    "### Milliseconds at a round-trip time of 5 ms, cold",
    times(results, "cold", 5),
    "### Milliseconds at no distance, cold",
    times(results, "cold", 0),
    "### Connections / HTTP requests / WebSockets of a request, cold",
    wire(results),
    "### CPU per request, by that of Drizzle on the same driver",
    besideDrizzle(results),
    "### Milliseconds of CPU per request, hot",
    hotCpu(results),
    "### Milliseconds of CPU per request, young, cold",
    youngCpu(results),
    "### Memory, bundle and start",
    weights(results),
  ].join("\n\n");
}

/**
 * What a terminal shows.
 *
 * @param results What was measured.
 */
export function terminalTables(results: Results): string {
  const parts = [
    "Round trips, cold",
    roundTrips(results, "cold"),
    "Milliseconds at a round-trip time of 30 ms, cold (times the fastest)",
    times(results, "cold", 30),
    "Targets",
    targets(results),
  ];
  return aligned(parts.join("\n\n").replaceAll("\\*", "*"));
}

/** Columns of tables below each other. */
function aligned(text: string): string {
  return text.split("\n\n").map((part) => {
    const lines = part.split("\n");
    if (!part.startsWith("|")) return part;
    const cells = lines.filter((line) => !/^\| --/.test(line))
      .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
    const widths = (cells[0] ?? []).map((_, at) =>
      Math.max(...cells.map((row) => row[at]?.length ?? 0))
    );
    return cells.map((row) =>
      row.map((cell, at) => {
        const width = widths[at] ?? 0;
        return at === 0 ? cell.padEnd(width) : cell.padStart(width);
      }).join("  ")
    ).join("\n");
  }).join("\n\n");
}

/**
 * Writes the tables into `README.md`, and the picture beside it.
 *
 * @param results What was measured.
 */
export async function writeReport(results: Results): Promise<void> {
  const readme = await Deno.readTextFile(README);
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    throw new SyntaxError(`${README} has no place for the results`);
  }
  await Deno.writeTextFile(
    README,
    `${before}${BEGIN}\n\n${allTables(results)}\n\n${END}${after}`,
  );
  await Deno.writeTextFile(PICTURE, chart(results));
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", README, RESULTS, PICTURE],
  }).output();
}
