import { paletteStyle } from "./_inspector_palette.ts";

/** The style of the page; all of it, as nothing may be loaded. */
export function inspectorStyle(): string {
  return [
    `:root { color-scheme: light dark; ${paletteStyle()} }`,
    FRAME,
    CONTROLS,
    LANES,
    BARS,
    DETAILS,
    NARROW,
  ].join("\n");
}

const FRAME = `
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { height: 100%; }
body {
  background: var(--page); color: var(--text); display: flex;
  flex-direction: column; font: 13px/1.45 ui-sans-serif, system-ui, sans-serif;
  height: 100%; margin: 0; min-width: 320px;
}
h1, h2, h3, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
code, pre, .title, .values { font-family: ui-monospace, "SF Mono", Menlo, monospace; }
.unseen {
  clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute;
  white-space: nowrap; width: 1px;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.top {
  align-items: center; background: var(--surface);
  border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap;
  gap: 8px 28px; padding: 10px 18px;
}
.brand { display: flex; flex: 0 1 auto; flex-direction: column; max-width: 290px; min-width: 0; }
h1 { font-size: 15px; font-weight: 650; letter-spacing: -0.01em; }
h1 span { color: var(--accent); font-weight: 700; }
.brand p { color: var(--muted); font-size: 12px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.totals { display: flex; gap: 22px; }
.totals dt { color: var(--muted); font-size: 11px; white-space: nowrap; }
.totals dd { font-size: 16px; font-variant-numeric: tabular-nums; font-weight: 600; white-space: nowrap; }
.pool { min-width: 0; }
.pool h2 { color: var(--muted); display: inline; font-size: 11px; font-weight: 400; }
.pool p { display: inline; font-size: 12px; margin-left: 4px; }
.slots { display: flex; flex-wrap: wrap; gap: 3px; margin-top: 5px; min-height: 10px; }
.slots i { border: 1.5px solid var(--quiet); border-radius: 3px; height: 10px; width: 10px; }
.slots .lent { background: var(--interactive); border-color: var(--interactive); }
.slots .kept { background: var(--quiet); }
.slots .closing { border-color: var(--interactive); border-style: dotted; }
.slots .waiting { background: repeating-linear-gradient(45deg, var(--bad) 0 2px, transparent 2px 4px); border-color: var(--bad); }
.slots .free { opacity: 0.55; }
.run { align-items: center; display: flex; gap: 8px; margin-left: auto; }
.state { align-items: center; color: var(--muted); display: flex; gap: 6px; margin-right: 4px; }
.state::before { background: var(--quiet); border-radius: 50%; content: ""; height: 8px; width: 8px; }
.state[data-state="live"] { color: var(--good); }
.state[data-state="live"]::before { animation: pulse 2s infinite; background: var(--good); }
.state[data-state="paused"]::before { border-radius: 1px; }
@keyframes pulse { 50% { opacity: 0.35; } }
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
`;

const CONTROLS = `
button, select, input {
  background: var(--surface); border: 1px solid var(--line); border-radius: 7px;
  color: var(--text); font: inherit; height: 30px; padding: 0 10px;
}
button { cursor: pointer; }
button:hover { background: var(--raised); }
#filters {
  align-items: center; display: flex; flex-wrap: wrap; gap: 8px;
  padding: 10px 18px;
}
#search { flex: 1 1 220px; max-width: 440px; min-width: 0; }
#search::placeholder { color: var(--muted); opacity: 1; }
.zoom { display: flex; margin-left: auto; }
.zoom button { border-radius: 0; margin-left: -1px; min-width: 30px; }
.zoom button:first-child { border-radius: 7px 0 0 7px; }
.zoom button:last-child { border-radius: 0 7px 7px 0; }
.zoom button:focus-visible { z-index: 1; }
.legend { color: var(--muted); font-size: 12px; padding: 6px 18px 8px; }
.legend ul { display: flex; flex-wrap: wrap; gap: 4px 18px; }
.legend li { align-items: center; display: flex; gap: 6px; white-space: nowrap; }
.legend .bar { left: auto; min-width: 18px; position: relative; top: auto; transform: none; width: 18px; }
.legend .bar.sign { min-width: 0; padding: 0; text-align: center; width: 12px; }
.legend .answer { margin: 0 4px; min-width: 2px; width: 2px; }
`;

const LANES = `
main { display: flex; flex: 1 1 0; min-height: 0; }
.list { flex: 1 1 0; min-width: 0; overflow: auto; padding: 0 18px 18px; scrollbar-gutter: stable; }
table { border-collapse: separate; border-spacing: 0; table-layout: fixed; width: 100%; }
.c-name { width: 32%; } .c-answer { width: 112px; } .c-time { width: 78px; } .c-sent { width: 92px; }
th {
  background: var(--page); border-bottom: 1px solid var(--line); color: var(--muted);
  font-size: 11px; font-weight: 500; height: 28px; padding: 0 10px; position: sticky;
  text-align: left; top: 0; white-space: nowrap; z-index: 2;
}
th.number, td.number { font-variant-numeric: tabular-nums; text-align: right; }
td {
  background: var(--surface); border-bottom: 1px solid var(--line); height: 34px;
  overflow: hidden; padding: 0 10px; white-space: nowrap;
}
tbody tr { animation: come 0.35s ease-out; cursor: pointer; }
@keyframes come { from { opacity: 0; } }
tbody tr:first-child td:first-child { border-top-left-radius: 10px; }
tbody tr:first-child td:last-child { border-top-right-radius: 10px; }
tbody tr:last-child td:first-child { border-bottom-left-radius: 10px; }
tbody tr:last-child td:last-child { border-bottom-right-radius: 10px; }
tbody tr:hover td { background: var(--raised); }
tbody tr[aria-selected="true"] td { background: var(--chosen); }
tbody tr:focus-visible { outline-offset: -2px; }
.names { align-items: center; display: flex; gap: 10px; }
.title { flex: 0 1 auto; font-size: 12px; min-width: 48px; overflow: hidden; text-overflow: ellipsis; }
.method { font-weight: 650; }
${
  [2, 3, 4, 5, 6].map((level) =>
    `tr[data-level="${level}"] td.name { padding-left: ${level * 18 - 4}px; }`
  ).join("\n")
}
tr:not([data-level="1"]) .title::before { color: var(--muted); content: "└ " / ""; }
.marks { display: flex; flex: 1 1000 0; flex-wrap: wrap; gap: 4px; height: 19px; justify-content: flex-end; min-width: 0; overflow: hidden; }
.mark {
  border: 1px solid currentColor; border-radius: 20px; color: var(--muted);
  flex: none; font-size: 11px; line-height: 17px; padding: 0 7px;
}
[data-kind="error"] { color: var(--bad); }
[data-kind="leak"] { color: var(--bad); }
[data-kind="rollback"] { color: var(--warn); }
[data-kind="retry"] { color: var(--violet); }
[data-kind="repeated"] { color: var(--pink); }
[data-kind="idle"] { color: var(--warn); }
.outcome { font-weight: 550; }
[data-tone="good"] { color: var(--good); }
[data-tone="warn"] { color: var(--warn); }
[data-tone="bad"] { color: var(--bad); }
[data-tone="plain"] { color: var(--muted); }
td.time { color: var(--text); } td.sent { color: var(--muted); }
.nothing { color: var(--muted); margin: 12vh auto; max-width: 34rem; padding: 0 16px; text-align: center; }
.nothing strong { color: var(--text); display: block; font-size: 17px; font-weight: 600; margin-bottom: 6px; }
.nothing .figure { color: var(--accent); font-size: 44px; line-height: 1; margin-bottom: 12px; opacity: 0.9; }
`;

const BARS = `
td.fall, th.fall { padding: 0 14px 0 10px; }
.axis { display: block; height: 100%; position: relative; }
.axis span { left: calc(var(--part) * 20%); line-height: 28px; padding-left: 5px; position: absolute; }
.track { display: block; height: 34px; position: relative; }
td.fall .track {
  background: repeating-linear-gradient(90deg, var(--line) 0 1px, transparent 1px 20%);
  mask-image: linear-gradient(90deg, #000 calc(100% - 20px), transparent);
}
td.fall { overflow: clip; }
.bar {
  --x: calc(var(--at) / var(--scale) * 100%);
  border-radius: 2px; left: var(--x); min-width: 3px; position: absolute; top: 50%;
  transform: translateY(-50%); width: calc(var(--for) / var(--scale) * 100%);
}
.life { background: var(--raised); border: 1px solid var(--line); border-radius: 5px; height: 8px; }
.life.running { background: repeating-linear-gradient(90deg, var(--raised) 0 6px, var(--line) 6px 12px); border-style: dashed; border-right: 0; }
.wait.bar { background: repeating-linear-gradient(45deg, var(--bad) 0 1.5px, transparent 1.5px 5px); border: 1px solid var(--bad); height: 14px; }
.connect.bar { background: radial-gradient(circle, var(--quiet) 1.2px, transparent 1.4px) 0 0 / 5px 5px; border: 1px solid var(--quiet); height: 14px; }
.idle.bar { background: repeating-linear-gradient(-45deg, var(--warn) 0 1.5px, transparent 1.5px 6px); border-radius: 0; height: 8px; }
.close.bar { background: var(--quiet); height: 4px; }
.flush.bar { background: none; border: 1.5px solid var(--muted); border-radius: 0 0 3px 3px; border-top: 0; height: 5px; top: auto; bottom: 2px; transform: none; }
.flight { border-radius: 4px; display: flex; flex-direction: column; gap: 1px; height: 20px; overflow: hidden; }
.flight[data-transport="one-shot"] { color: var(--oneShot); }
.flight[data-transport="batch"] { color: var(--batch); }
.flight[data-transport="interactive"] { color: var(--interactive); }
.piece { background: currentColor; flex: 2 1 2px; min-height: 1.5px; }
.flight[data-transport="batch"] .piece.statement { background: repeating-linear-gradient(135deg, currentColor 0 5px, color-mix(in srgb, currentColor 62%, var(--surface)) 5px 8px); }
.flight[data-transport="interactive"] { border-left: 2px solid var(--text); }
.piece.begin, .piece.commit, .piece.savepoint, .piece.rollback { background: color-mix(in srgb, currentColor 45%, var(--surface)); box-shadow: inset 0 0 0 1px currentColor; flex-grow: 1; }
.piece.failed { background: var(--bad); }
.sign { background: none; color: var(--good); font-size: 11px; font-weight: 700; line-height: 1; min-width: 0; padding-left: 3px; top: 8px; width: auto; }
.sign.rollback { color: var(--warn); }
.sign.failed { color: var(--bad); }
.answer { border-radius: 0; background: currentColor; height: 26px; min-width: 2px; width: 2px; }
.answer::before { background: currentColor; border-radius: 50%; content: ""; height: 6px; left: -2px; position: absolute; top: -2px; width: 6px; }
`;

const DETAILS = `
#details {
  background: var(--surface); border-left: 1px solid var(--line); display: flex;
  flex: 0 0 min(480px, 44%); flex-direction: column; min-height: 0; overflow: auto; padding: 14px 16px 24px;
}
.details-top { align-items: start; display: flex; gap: 8px; justify-content: space-between; }
#details-title { font: 600 14px/1.4 ui-monospace, Menlo, monospace; overflow-wrap: anywhere; }
#details-when { color: var(--muted); font-size: 12px; margin-bottom: 12px; overflow-wrap: anywhere; }
#details-marks li { border: 1px solid currentColor; border-radius: 8px; display: grid; gap: 0 8px; grid-template-columns: 14px 1fr; margin-bottom: 6px; padding: 7px 10px; }
#details-marks li > :last-child { color: var(--text); grid-column: 2; overflow-wrap: anywhere; }
#details-facts { display: flex; flex-wrap: wrap; gap: 8px 20px; margin: 10px 0 14px; }
#details-facts dt { color: var(--muted); font-size: 11px; }
#details-facts dd { font-size: 14px; font-variant-numeric: tabular-nums; font-weight: 600; }
.steps-top { align-items: center; display: flex; justify-content: space-between; margin-bottom: 6px; min-height: 30px; }
.steps-top h3 { font-size: 12px; font-weight: 600; }
#no-values { color: var(--muted); font-size: 12px; margin-top: 12px; }
.line { border-top: 1px solid var(--line); }
.head { column-gap: 10px; display: grid; grid-template-columns: 1fr auto; padding: 6px 4px 6px 20px; position: relative; }
summary.head { cursor: pointer; list-style: none; }
summary.head::-webkit-details-marker { display: none; }
summary.head::before { color: var(--muted); content: "▸" / ""; left: 5px; position: absolute; top: 6px; }
details[open] > summary.head::before { content: "▾" / ""; }
summary.head:hover { background: var(--raised); }
.what { font: 12px/1.5 ui-monospace, Menlo, monospace; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.line:not(.statement) .what { color: var(--muted); }
.line.failed .what { color: var(--bad); }
.head .number { color: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
.head .track { grid-column: 1 / -1; height: 10px; }
.head .bar { height: 8px; }
.head .flight { border-radius: 3px; }
.head .flush.bar { bottom: 1px; }
.sql {
  background: var(--raised); border-radius: 8px; font-size: 12px; line-height: 1.55;
  margin: 2px 0 8px; overflow: auto; max-height: 320px; padding: 10px 12px; white-space: pre-wrap; overflow-wrap: anywhere;
}
.sql-keyword { color: var(--accent); font-weight: 600; }
.sql-string { color: var(--good); }
.sql-place { color: var(--pink); font-weight: 600; }
.sql-number { color: var(--violet); }
.values { counter-reset: value; font-size: 12px; margin: 0 0 8px; }
.values li { counter-increment: value; overflow-wrap: anywhere; padding: 2px 12px; }
.values li::before { color: var(--pink); content: "$" counter(value) " "; font-weight: 600; }
.said { color: var(--muted); font-size: 12px; padding: 0 4px 10px 12px; }
`;

const NARROW = `
@media (max-width: 1000px) {
  main { flex-direction: column; }
  #details { border-left: 0; border-top: 1px solid var(--line); flex: 0 0 58%; }
}
@media (max-width: 760px) {
  .top, #filters, .legend { padding-left: 12px; padding-right: 12px; }
  .top { gap: 8px 18px; }
  .totals { gap: 14px; order: 3; width: 100%; justify-content: space-between; }
  .totals dd { font-size: 14px; }
  .pool { order: 4; width: 100%; }
  .run { margin-left: auto; }
  .brand { flex: 1 1 0; max-width: none; }
  #search { flex-basis: 100%; max-width: none; }
  #mark, #transport { flex: 1 1 0; min-width: 0; }
  .list { padding: 0 12px 12px; }
  thead { display: block; position: sticky; top: 0; z-index: 2; }
  thead tr { display: block; }
  thead th:not(.fall) { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; width: 1px; }
  thead th.fall { display: block; }
  table, tbody { display: block; }
  tbody tr { background: var(--surface); border-bottom: 1px solid var(--line); display: grid; grid-template-columns: 1fr auto auto; }
  tbody tr:first-child { border-radius: 10px 10px 0 0; }
  tbody tr:hover, tbody tr:hover td { background: var(--surface); }
  tbody tr[aria-selected="true"] { background: var(--chosen); }
  td { align-items: center; border: 0; display: flex; height: 30px; }
  td.name { padding-right: 0; }
  td.sent { display: none; }
  td.answered { padding-right: 0; }
  td.fall { display: block; grid-column: 1 / -1; height: 28px; }
  .track { height: 26px; }
  .head .track { height: 10px; }
  .legend { overflow-x: auto; }
  .legend ul { flex-wrap: nowrap; gap: 14px; }
}
@media (forced-colors: active) {
  .bar, .piece, .slots i { border: 1px solid CanvasText; forced-color-adjust: none; }
}
`;
