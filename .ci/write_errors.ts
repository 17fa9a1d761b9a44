import { join } from "node:path";
import { ROOT } from "./project.ts";

/** A code of `src/errors/codes.ts`. */
export interface CodeEntry {
  /** Such as `POOL_TIMEOUT`. */
  readonly code: string;
  /** The class that carries it. */
  readonly errorClass: string;
  /** What happened, and what to do. */
  readonly text: string;
}

/** The guide whose second half is written here. */
export const ERRORS_GUIDE: string = join(ROOT, "examples/guides/errors.md");

const ERRORS = join(ROOT, "src/errors");

/** What lies between them is written; the rest of the guide is left alone. */
const START = "<!-- codes: written by .ci/write_errors.ts -->";
const END = "<!-- codes: end -->";

/** Reads the codes, in their order. */
export function readCodes(source: string): CodeEntry[] {
  const entries = source.matchAll(
    /\/\*\*\n((?: {3}\*.*\n)+?) {3}\*\/\n {2}([A-Z_]+): "(\w+)";/g,
  );
  return [...entries].map(([, comment = "", code = "", errorClass = ""]) => ({
    code,
    errorClass,
    text: plain(comment),
  }));
}

/** The first paragraph of each class's doc comment, by name, in order. */
export function readClasses(source: string): Map<string, string> {
  const classes = source.matchAll(
    /\/\*\*\n((?: \*.*\n)+?) \*\/\nexport class (\w+) /g,
  );
  return new Map(
    [...classes].map(([, comment = "", name = ""]) => {
      const [first = ""] = comment.split(/^ \*\n/m);
      return [name, plain(first)];
    }),
  );
}

/** The text of a comment, without its stars and tags. */
function plain(comment: string): string {
  return comment.replaceAll(/^ *\* ?/gm, "")
    .replaceAll(/\{@link(?:code)? ([^}]+)\}/g, "`$1`")
    .replaceAll("\n", " ").trim();
}

/** The codes as Markdown: a part for each class, a heading for each code. */
export function codesText(
  codes: readonly CodeEntry[],
  classes: ReadonlyMap<string, string>,
): string {
  const carriers = [...classes].filter(([name]) =>
    codes.some(({ errorClass }) => errorClass === name)
  );
  return carriers.map(([name, about]) => {
    const own = codes.filter(({ errorClass }) => errorClass === name)
      .map(({ code, text }) => `#### \`${code}\`\n\n${text}\n`);
    return [`### ${name}\n\n${about}\n`, ...own].join("\n");
  }).join("\n");
}

/** The guide as it has to be, given what it is. */
export async function errorsGuide(guide: string): Promise<string> {
  const start = guide.indexOf(START);
  const end = guide.indexOf(END);
  if (start < 0 || end < start) {
    throw new Error(`${ERRORS_GUIDE} has no place for the codes`);
  }
  const read = (name: string) => Deno.readTextFile(join(ERRORS, name));
  const sources = await Promise.all(
    [
      "state_error.ts",
      "pool_error.ts",
      "connection_error.ts",
      "database_error.ts",
    ].map(read),
  );
  const text = codesText(
    readCodes(await read("codes.ts")),
    readClasses(sources.join("\n")),
  );
  return await formatted(
    `${guide.slice(0, start)}${START}\n\n${text}\n${guide.slice(end)}`,
  );
}

async function formatted(markdown: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const guide = await Deno.readTextFile(ERRORS_GUIDE);
  await Deno.writeTextFile(ERRORS_GUIDE, await errorsGuide(guide));
}
