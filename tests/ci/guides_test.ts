import { assert, assertEquals } from "@std/assert";
import {
  brokenLinks,
  markdownFiles,
  readProject,
} from "../../.ci/check_links.ts";
import {
  codesText,
  ERRORS_GUIDE,
  errorsGuide,
  readClasses,
  readCodes,
} from "../../.ci/write_errors.ts";

Deno.test("brokenLinks() names what is not there", () => {
  const files: Record<string, string> = {
    "a/guide.md": `# A guide, of \`sorts\`
[itself](#a-guide-of-sorts) [the web](https://example.com/x)
[up](../top.md) [a part](../top.md#part) [a folder](../a)
[keeps its
promise](../t/it_test.ts) [no promise](../t/it_test.ts)
[\`t/it_test.ts\`](../t/it_test.ts)
[gone](gone.md) [no part](../top.md#parts)
\`\`\`ts
const x = [y](z);
\`\`\``,
    "top.md": "## Part",
    "t/it_test.ts": 'Deno.test("it keeps its promise", () => {});',
    a: "",
  };
  assertEquals(brokenLinks("a/guide.md", (path) => files[path]), [
    'a/guide.md: no test in t/it_test.ts is called "no promise"',
    "a/guide.md: there is no gone.md",
    "a/guide.md: there is no heading ../top.md#parts",
  ]);
});

Deno.test("every link of the README and the examples leads somewhere", () => {
  const files = markdownFiles();
  assert(files.includes("examples/guides/errors.md"));
  assertEquals(files.flatMap((file) => brokenLinks(file, readProject)), []);
});

Deno.test("codesText() has each code below its class", () => {
  const codes = readCodes(`export interface ErrorCodes {
  /**
   * It broke. Call
   * \`mend()\`.
   */
  IT_BROKE: "MineError";
  /**
   * It is late.
   */
  LATE: "TheirsError";
}`);
  const classes = readClasses(`/**
 * Mine, as {@linkcode ErrorCode} says.
 *
 * @example None
 */
export class MineError extends Error {}
/** Not told. */
export class Other {}
/**
 * Theirs.
 */
export class TheirsError extends Error {}
`);
  assertEquals(
    codesText(codes, classes).split("\n").filter((line) => line !== ""),
    [
      "### MineError",
      "Mine, as `ErrorCode` says.",
      "#### `IT_BROKE`",
      "It broke. Call `mend()`.",
      "### TheirsError",
      "Theirs.",
      "#### `LATE`",
      "It is late.",
    ],
  );
});

Deno.test("the guide to errors has the codes as they are", async () => {
  const guide = await Deno.readTextFile(ERRORS_GUIDE);
  // Else: deno run -A .ci/write_errors.ts
  assertEquals(guide, await errorsGuide(guide));
  const codes = readCodes(readProject("src/errors/codes.ts") ?? "");
  const missing = codes.filter(({ code }) =>
    !guide.includes(`#### \`${code}\``)
  );
  assert(codes.length > 40);
  assertEquals(missing, []);
});
