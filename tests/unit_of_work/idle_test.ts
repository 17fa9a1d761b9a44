import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runProgram } from "../support/node.ts";

/** What runs once per row, or more often. */
const PER_ROW = [
  "plainInsert",
  "keepWritten",
  "keepRaw",
  "rawRow",
  "KeptObject",
  "encodeKept",
  "encoded",
  "isKept",
  "fillIn",
  "listText",
  "updateOf",
  "dataRow",
  "get #map",
  "#take",
  "#write",
  "#index",
];

Deno.test("what V8 has compiled for rows survives an idle time", async () => {
  const { code, output } = await runProgram(Deno.execPath(), [
    "run",
    "-A",
    "--no-check",
    "--v8-flags=--trace-opt,--trace-deopt",
    fileURLToPath(new URL("idle_program.ts", import.meta.url)),
  ]);
  assertEquals(code, 0, output);
  function named(what: RegExp): Set<string> {
    return new Set([...output.matchAll(what)].map(([, name = ""]) => name));
  }
  const compiled = named(/completed compiling 0x\w+ <JSFunction ([^(>]+) \(/g);
  const thrownAway = named(
    /SharedFunctionInfo ([^>]+)>.*reason: embedded weak objects cleared/g,
  );
  // They are still called so, and what is thrown away can be seen.
  assertEquals(PER_ROW.filter((name) => !compiled.has(name)), []);
  assert(thrownAway.has("sumUnkept"), output);
  assertEquals(PER_ROW.filter((name) => thrownAway.has(name)), []);
});
