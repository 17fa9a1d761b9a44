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
    "--v8-flags=--trace-deopt",
    fileURLToPath(new URL("idle_program.ts", import.meta.url)),
  ]);
  assertEquals(code, 0, output);
  const thrownAway = [
    ...output.matchAll(
      /SharedFunctionInfo ([^>]+)>.*reason: embedded weak objects cleared/g,
    ),
  ].map(([, name = ""]) => name);
  // What is thrown away can be seen at all.
  assert(thrownAway.includes("sumUnkept"), output);
  assertEquals(thrownAway.filter((name) => PER_ROW.includes(name)), []);
});
