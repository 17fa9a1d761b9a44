import { PEER_NAMES, peerEntry, type PeerName } from "./peer_list.ts";
import { DISTANCES, measuredOf, type Results } from "./results.ts";
import { type WorkloadName, WORKLOADS } from "./workloads.ts";

/** What is drawn, left to right and down. */
const PANELS: readonly WorkloadName[] = ["W1", "W2", "W3", "W4", "W5", "W7"];
const COLUMNS = 3;
const PANEL = { width: 374, height: 296 };
const PLOT = { left: 38, top: 40, width: 150, height: 212 };
const HEADER = 60;
const LINE_HEIGHT = 13;

const STYLE = `
  .ground { fill: #ffffff; }
  text { font: 11px system-ui, sans-serif; fill: #57606a; }
  .heading { font-size: 17px; font-weight: 600; fill: #1f2328; }
  .title { font-size: 12px; font-weight: 600; fill: #1f2328; }
  .grid { stroke: #d8dee4; stroke-width: 1; }
  .line { fill: none; stroke-width: 1.2; stroke: #9aa4ae; }
  .leader { stroke: #9aa4ae; stroke-width: 0.6; fill: none; opacity: 0.7; }
  .hand { stroke-dasharray: 3 3; }
  .drizzle { stroke: #2f6fd0; stroke-width: 1.6; }
  .own { stroke: #c2410c; stroke-width: 2.6; }
  text.drizzle { fill: #2f6fd0; stroke: none; }
  text.own { fill: #c2410c; stroke: none; font-weight: 700; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    text { fill: #9da7b1; }
    .heading, .title { fill: #e6edf3; }
    .grid { stroke: #2b323b; }
    .line, .leader { stroke: #6b7681; }
    .drizzle { stroke: #6ea8fe; }
    .own { stroke: #ff9554; }
    text.drizzle { fill: #6ea8fe; }
    text.own { fill: #ff9554; }
  }
`;

/** A peer's times of a workload. */
interface Curve {
  readonly peer: PeerName;
  readonly points: readonly { readonly x: number; readonly ms: number }[];
  readonly last: number;
}

/**
 * Draws how long requests take, cold, by round-trip time.
 *
 * @param results What was measured.
 * @returns An SVG that follows its reader's choice of light or dark.
 */
export function chart(results: Results): string {
  const rows = Math.ceil(PANELS.length / COLUMNS);
  const width = COLUMNS * PANEL.width + 16;
  const height = HEADER + rows * PANEL.height;
  const panels = PANELS.map((workload, at) => {
    const x = 8 + (at % COLUMNS) * PANEL.width;
    const y = HEADER + Math.floor(at / COLUMNS) * PANEL.height;
    return `<g transform="translate(${x} ${y})">${
      panel(results, workload)
    }</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Milliseconds to the answer of a request by round-trip time, for this library and its peers">
<style>${STYLE}</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="heading" x="20" y="28">Milliseconds to the answer, by round-trip time</text>
<text x="20" y="47">A request that opens its connection. Orange: Nullpool; blue: Drizzle; dashed: written by hand; grey: others. The number is that at 30 ms.</text>
${panels.join("\n")}
</svg>
`;
}

function panel(results: Results, workload: WorkloadName): string {
  const curves = PEER_NAMES.flatMap((peer) =>
    curveOf(results, workload, peer) ?? []
  );
  const top = niceTop(Math.max(1, ...curves.map(({ last }) => last)));
  const furthest = Math.max(...DISTANCES);
  const xOf = (distance: number) =>
    PLOT.left + distance / furthest * PLOT.width;
  const yOf = (ms: number) => PLOT.top + PLOT.height * (1 - ms / top);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = yOf(part * top).toFixed(1);
    return `<line class="grid" x1="${PLOT.left}" x2="${
      PLOT.left + PLOT.width
    }" y1="${y}" y2="${y}"/><text x="${PLOT.left - 5}" y="${
      Number(y) + 4
    }" text-anchor="end">${part * top}</text>`;
  });
  const ticks = DISTANCES.map((distance) =>
    `<text x="${xOf(distance).toFixed(1)}" y="${
      PLOT.top + PLOT.height + 16
    }" text-anchor="middle">${distance}${
      distance === furthest ? " ms" : ""
    }</text>`
  );
  const lines = inFrontLast(curves).map(({ peer, points }) => {
    const path = points.map(({ x, ms }) =>
      `${xOf(x).toFixed(1)},${yOf(ms).toFixed(1)}`
    );
    return `<polyline class="line ${classOf(peer)}" points="${
      path.join(" ")
    }"/>`;
  });
  const title = `${workload}: ${WORKLOADS[workload].title}`;
  return [
    `<text class="title" x="12" y="22">${titleText(title)}</text>`,
    ...grid,
    ...ticks,
    ...lines,
    ...labels(curves, yOf),
  ].join("\n");
}

/** A panel has no room for more. */
function titleText(title: string): string {
  return title.length > 56 ? `${title.slice(0, 55)}…` : title;
}

function curveOf(
  results: Results,
  workload: WorkloadName,
  peer: PeerName,
): Curve | undefined {
  const at = measuredOf(results, workload, "cold", peer)?.at;
  const points = DISTANCES.flatMap((distance) => {
    const ms = at?.[distance]?.ms;
    return ms === undefined ? [] : [{ x: distance, ms }];
  });
  const last = points.at(-1);
  return last && last.x === Math.max(...DISTANCES)
    ? { peer, points, last: last.ms }
    : undefined;
}

function niceTop(most: number): number {
  const step = 10 ** Math.floor(Math.log10(most));
  const steps = [1, 2, 4, 6, 8, 10].find((n) => n * step >= most) ?? 10;
  return steps * step;
}

function classOf(peer: PeerName): string {
  const { kind } = peerEntry(peer);
  if (kind === "own") return "own";
  if (peer.startsWith("drizzle")) return "drizzle";
  return kind === "hand" ? "hand" : "";
}

function inFrontLast(curves: readonly Curve[]): Curve[] {
  const order = ["", "hand", "drizzle", "own"];
  return curves.toSorted((a, b) =>
    order.indexOf(classOf(a.peer)) - order.indexOf(classOf(b.peer))
  );
}

/** Names beside the lines' ends, moved apart where they would overlap. */
function labels(
  curves: readonly Curve[],
  yOf: (ms: number) => number,
): string[] {
  const sorted = curves.toSorted((a, b) => a.last - b.last);
  const places = sorted.map(({ last }) => yOf(last));
  // From the lowest upwards, then back down from the top.
  for (let at = 1; at < places.length; at++) {
    const below = places[at - 1] ?? 0;
    places[at] = Math.min(places[at] ?? 0, below - LINE_HEIGHT);
  }
  const highest = PLOT.top - 4;
  for (let at = places.length - 1; at >= 0; at--) {
    const least = highest + (places.length - 1 - at) * LINE_HEIGHT;
    places[at] = Math.max(places[at] ?? 0, least);
  }
  const right = PLOT.left + PLOT.width;
  return sorted.map(({ peer, last }, at) => {
    const y = places[at] ?? 0;
    const name = peerEntry(peer).title.replaceAll("`", "")
      .replace("neon() without HTTP", "WebSocket");
    return `<path class="leader" d="M${right + 1},${yOf(last).toFixed(1)} L${
      right + 12
    },${y.toFixed(1)}"/><text class="${classOf(peer)}" x="${right + 15}" y="${
      (y + 4).toFixed(1)
    }">${name} ${last.toFixed(0)}</text>`;
  });
}
