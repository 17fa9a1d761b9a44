import { assertEquals } from "@std/assert";
import { findCycles } from "../../.ci/check_cycles.ts";
import {
  type DocSymbol,
  lintFindings,
  missingDocs,
} from "../../.ci/check_docs.ts";
import { strangers } from "../../.ci/check_layout.ts";
import { modulesIn, sizeProblems } from "../../.ci/check_size.ts";
import { testTotals } from "../../.ci/gate.ts";

Deno.test("findCycles() returns the path of each cycle", () => {
  const graph = new Map([
    ["a", ["b", "d"]],
    ["b", ["c"]],
    ["c", ["b", "d"]],
    ["d", []],
    ["e", ["e"]],
  ]);
  assertEquals(findCycles(graph), [["b", "c", "b"], ["e", "e"]]);
  assertEquals(findCycles(new Map([["a", ["b"]], ["b", []]])), []);
});

Deno.test("lintFindings() leaves out only the pairs that are allowed", () => {
  const allowed = new Set(["Session: PgDatabase"]);
  const finding = (symbol: string, type: string) =>
    `error[private-type-ref]: public type '${symbol}' references private type '${type}'\n` +
    `  --> /x/session.ts:1:1`;
  const missing = "error[missing-jsdoc]: exported symbol is missing JSDoc";
  const output = [
    "Warning Failed resolving types.",
    finding("Session", "PgDatabase"),
    finding("Session", "SQL"),
    missing,
    "error: Found 3 documentation lint errors.",
  ].join("\n");
  assertEquals(lintFindings(output, allowed), [
    finding("Session", "SQL"),
    missing,
  ]);
});

Deno.test("missingDocs() asks for a sentence and an example", () => {
  function symbol(name: string, kind: string, doc?: string): DocSymbol {
    const jsDoc = doc === undefined ? {} : {
      jsDoc: {
        doc,
        tags: doc.includes("shown") ? [{ kind: "example" }] : [],
      },
    };
    const location = { filename: "src/a.ts", line: 1 };
    const declaration = { kind, location, declarationKind: "export" };
    return { name, declarations: [{ ...declaration, ...jsDoc }] };
  }
  const symbols = [
    symbol("Good", "class", "A class that is shown."),
    symbol("Quiet", "interface", "How it runs."),
    symbol("Bare", "interface"),
    symbol("Vague", "typeAlias", "todo"),
    symbol("unshown", "function", "Does a thing."),
    symbol("excused", "function", "Does a thing."),
  ];
  assertEquals(missingDocs({ symbols }, new Set(["excused"])), [
    "src/a.ts: Bare has no first sentence",
    "src/a.ts: Vague has no first sentence",
    "src/a.ts: unshown has no @example",
  ]);
});

Deno.test("strangers() names what does not belong at the top level", () => {
  const names = ["src", ".git", "mod.ts", "dist", "package.json", "lib"];
  assertEquals(strangers(names, "dist/\n.data/\n"), ["package.json", "lib"]);
});

Deno.test("sizeProblems() allows five percent", () => {
  const actual = new Map([["a", 105], ["b", 106], ["c", 94], ["new", 1]]);
  const expected = { a: 100, b: 100, c: 100, gone: 1 };
  assertEquals(sizeProblems(expected, actual), [
    "b was 100 bytes, is 106 (6.0 %)",
    "c was 100 bytes, is 94 (-6.0 %)",
    "new is not in the size table",
    "gone is no entry point",
  ]);
});

Deno.test("testTotals() adds up the runner's summaries", () => {
  const ok = "ok | 3 passed (2 steps) | 0 failed | 1 ignored (2s)\n";
  const bad = "FAILED | 1 passed | 2 failed (1 step) (12ms)\n";
  assertEquals(testTotals(ok, 0), { passed: 3, failed: 0 });
  assertEquals(testTotals(ok + bad, 1), { passed: 4, failed: 2 });
});

Deno.test("testTotals() counts a run without a summary as failed", () => {
  const ok = "ok | 3 passed | 0 failed (2s)\n";
  assertEquals(testTotals(ok, 1), { passed: 3, failed: 1 });
  assertEquals(testTotals("error: no tests\n", 1), {
    passed: 0,
    failed: 1,
  });
  assertEquals(testTotals("", 0), { passed: 0, failed: 1 });
});

Deno.test("modulesIn() finds the modules that a bundle has code of", () => {
  const bundle = `// src/a.ts
import { sql } from "drizzle-orm";

// src/b.ts
import { is } from "drizzle-orm";
// a comment
function b() {}

// src/c.ts
var C = class {};
export { C };
`;
  assertEquals(modulesIn(bundle), ["src/b.ts", "src/c.ts"]);
});
