import { assert, assertEquals } from "@std/assert";
import type { InspectorMessage } from "../../src/dev/_inspector_feed.ts";
import type { Lane, Mark } from "../../src/dev/_inspector_lane.ts";
import {
  type ColorName,
  PALETTE,
  SHAPE_PAIRS,
  TEXT_PAIRS,
} from "../../src/dev/_inspector_palette.ts";
import { inspectorPage, pagePolicy } from "../../src/dev/_inspector_page.ts";
import { inspectorScript } from "../../src/dev/_inspector_script.ts";
import { type LaneFilter, ViewModel } from "../../src/dev/_view_model.ts";
import { ViewWords } from "../../src/dev/_view_words.ts";

/** Of a colour, as WCAG 2.2 has it. */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)]
    .sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

Deno.test("the colours of the page can be told apart by day and by night", () => {
  assertEquals(contrast("#000000", "#ffffff"), 21);
  function check(
    pairs: readonly (readonly [ColorName, ColorName])[],
    least: number,
  ): void {
    for (const [name, ground] of pairs) {
      for (const at of [0, 1] as const) {
        const found = contrast(PALETTE[name][at], PALETTE[ground][at]);
        const what = `${name} on ${ground}, ${["light", "dark"][at]}`;
        assert(found >= least, `${what}: ${found.toFixed(2)}`);
      }
    }
  }
  check(TEXT_PAIRS, 4.5);
  check(SHAPE_PAIRS, 3);
});

/** What `deno lint` says of names that nobody has declared. */
async function unknownNames(script: string): Promise<string[]> {
  const file = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(file, script);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "lint",
        "--no-config",
        "--json",
        "--rules-tags=",
        "--rules-include=no-undef",
        file,
      ],
    }).output();
    const { diagnostics }: { diagnostics: { message: string }[] } = JSON.parse(
      new TextDecoder().decode(stdout),
    );
    return diagnostics.map(({ message }) => message);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("the script of the page has everything that it names", async () => {
  const script = inspectorScript();
  assertEquals(await unknownNames(script), []);
  assertEquals(await unknownNames(`${script};forgotten()`), [
    "forgotten is not defined",
  ]);
  assert(!script.includes("</script"));
  assert(!script.includes("<!--"));
});

Deno.test("the page asks for nothing else, and nothing in it needs more rights", () => {
  const page = String(inspectorPage("a-nonce"));
  assert(!/\b(?:https?:)?\/\/(?!www\.w3\.org)/.test(withoutScript(page)));
  assert(!/\son\w+=/.test(withoutScript(page)));
  assert(!/\sstyle=/.test(page));
  assertEquals([...page.matchAll(/nonce="a-nonce"/g)].length, 2);
  const policy = pagePolicy("a-nonce");
  assert(policy.startsWith("default-src 'none'; script-src 'nonce-a-nonce';"));
  assert(!policy.includes("unsafe"));
});

function withoutScript(page: string): string {
  return page.replace(/<script[^]*<\/script>/, "");
}

const all: LaneFilter = { search: "", mark: "", transport: "" };

function lane(id: number, more: Partial<Lane> = {}): Lane {
  return {
    id,
    parent: undefined,
    name: `session ${id}`,
    place: "",
    openedAt: id * 10,
    closedAt: id * 10 + 4,
    isOpen: false,
    request: undefined,
    steps: [],
    flights: {},
    texts: [],
    marks: [],
    counts: {
      statements: 0,
      roundTrips: 2,
      connections: 0,
      rows: 0,
      dropped: 0,
    },
    ...more,
  };
}

function message(
  lanes: readonly Lane[],
  more: Partial<InspectorMessage> = {},
): InspectorMessage {
  const status = {
    checkedOut: 0,
    idle: 0,
    waiting: 0,
    closing: 0,
    size: 0,
    overflow: 0,
    waits: 0,
    waitTime: 0,
  };
  return { now: 0, first: 1, gone: [], lanes, status, database: "", ...more };
}

const about = {
  mode: "development",
  capacity: undefined,
  hasValues: false,
  epoch: 7,
};

function ids(model: ViewModel, filter: Partial<LaneFilter> = {}): string[] {
  return model.rows({ ...all, ...filter }).map(({ lane, level, base }) =>
    `${lane.id}/${level}@${base}`
  );
}

const mark: Mark = { kind: "idle", at: 1, label: "idle 60 ms", note: "" };
const request = { method: "GET", route: "/orders/:id", status: 404, at: 3 };
const flight = { transport: "batch", reason: "", isRequest: true } as const;

Deno.test("ViewModel lists the newest first, tasks under what waits for them", () => {
  const model = new ViewModel();
  model.apply(message([
    lane(1),
    lane(2),
    lane(3, { parent: 1 }),
    lane(4, { parent: 3, texts: ["select deep"] }),
    lane(5, { parent: 1 }),
  ], { about }));
  assertEquals(ids(model), ["2/1@20", "1/1@10", "3/2@10", "4/3@10", "5/2@10"]);
  // What is found brings those above it along.
  assertEquals(ids(model, { search: "DEEP" }), ["1/1@10", "3/2@10", "4/3@10"]);
  // Its parent was dropped: it stands for itself.
  model.apply(message([lane(6)], { first: 2 }));
  assertEquals(ids(model), ["6/1@60", "5/1@50", "3/1@30", "4/2@30", "2/1@20"]);
});

Deno.test("ViewModel finds by words, marks and transport", () => {
  const model = new ViewModel();
  model.apply(message([
    lane(1, { marks: [mark], flights: { 1: flight } }),
    lane(2, { request }),
    lane(3, { texts: ["select * from orders"] }),
  ]));
  assertEquals(ids(model, { search: "get orders" }), ["2/1@20"]);
  assertEquals(ids(model, { search: "404" }), ["2/1@20"]);
  assertEquals(ids(model, { search: "orders" }).length, 2);
  assertEquals(ids(model, { search: "orders nowhere" }), []);
  assertEquals(ids(model, { mark: "any" }), ["1/1@10"]);
  assertEquals(ids(model, { mark: "idle" }), ["1/1@10"]);
  assertEquals(ids(model, { mark: "leak" }), []);
  assertEquals(ids(model, { transport: "batch" }), ["1/1@10"]);
  assertEquals(ids(model, { transport: "one-shot" }), []);
});

Deno.test("ViewModel forgets what the server has forgotten, and what was cleared", () => {
  const model = new ViewModel();
  model.apply(message([lane(1), lane(2), lane(3)], { about }));
  model.apply(message([], { first: 2, gone: [3] }));
  assertEquals(ids(model), ["2/1@20"]);
  model.clear();
  model.apply(message([lane(2), lane(4)], { about }));
  assertEquals(ids(model), ["4/1@40"]);
  // Another process counts from the beginning.
  model.apply(message([lane(1)], { about: { ...about, epoch: 8 } }));
  assertEquals(ids(model), ["1/1@10"]);
});

Deno.test("ViewModel sums up, and takes a scale that nine of ten lanes fit into", () => {
  const model = new ViewModel();
  const lanes = Array.from({ length: 10 }, (_, n) =>
    lane(n + 1, {
      closedAt: n * 10 + 10 + (n === 9 ? 9_000 : n + 1),
    }));
  model.apply(message(lanes));
  const rows = model.rows(all);
  assertEquals(model.scale(rows), 10);
  assertEquals(model.totals(rows, 0), {
    lanes: 10,
    median: 5,
    slow: 9_000,
    roundTrips: 2,
    marked: 0,
  });
  assertEquals(model.scale([]), 5);
  // What still runs says nothing about the scale.
  model.apply(message([lane(11, { closedAt: undefined })]));
  assertEquals(model.scale(model.rows(all)), 10);
});

Deno.test("ViewWords says how long something took, and how it ended", () => {
  const words = new ViewWords();
  assertEquals(
    [0, 0.04, 1.25, 9.96, 123.4, 999.6, 12_345, 61_000]
      .map((ms) => words.time(ms)),
    [
      "0.0 ms",
      "0.0 ms",
      "1.3 ms",
      "10 ms",
      "123 ms",
      "1.00 s",
      "12.3 s",
      "1 min 1 s",
    ],
  );
  const commit = { kind: "commit", start: 1, end: 2 } as const;
  const outcomes: [Partial<Lane>, string, string][] = [
    [{ request }, "404", "warn"],
    [{ request: { ...request, status: undefined } }, "threw", "bad"],
    [{ request: { ...request, status: 503 } }, "503", "bad"],
    [{ closedAt: undefined }, "runs", "plain"],
    [{ closedAt: undefined, isOpen: true }, "in transaction", "plain"],
    [{ steps: [commit] }, "committed", "good"],
    [{ marks: [{ ...mark, kind: "leak" }] }, "leaked", "bad"],
    [{ marks: [{ ...mark, kind: "rollback" }] }, "undone", "bad"],
    [{}, "closed", "plain"],
  ];
  for (const [more, outcome, tone] of outcomes) {
    assertEquals(words.outcome(lane(1, more)), outcome);
    assertEquals(words.tone(outcome), tone);
  }
  assertEquals(
    words.summary(lane(1, { marks: [mark] }), 4),
    "4.0 ms, 0 statements in 2 round trips, idle 60 ms",
  );
});
