import { dirname, join, relative } from "node:path";
import { ROOT } from "./project.ts";

/** Reads a file, or says that there is none; a folder is empty text. */
export type FileReader = (path: string) => string | undefined;

/**
 * Links of a Markdown file that lead nowhere: to a file that is not there, to a
 * heading that is not in it, or to a test file by a text that none of its tests
 * has. Whoever links to a test names it, so a test that is renamed is missed.
 *
 * @param path The Markdown file, from the project's folder.
 * @param read Reads files, by their path from the project's folder.
 */
export function brokenLinks(path: string, read: FileReader): string[] {
  const markdown = withoutCode(read(path) ?? "");
  const links = markdown.matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g);
  return [...links].flatMap(([, text = "", target = ""]) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = "", heading] = target.split("#", 2);
    const found = file === "" ? path : join(dirname(path), file);
    const content = read(found);
    if (content === undefined) return [`${path}: there is no ${target}`];
    if (heading !== undefined && !headings(content).has(heading)) {
      return [`${path}: there is no heading ${target}`];
    }
    const name = oneLine(text).replaceAll(/^`|`$|\\/g, "");
    const isNamed = name === found || content.includes(name);
    return /_test\.ts$/.test(found) && !isNamed
      ? [`${path}: no test in ${found} is called "${name}"`]
      : [];
  });
}

/** Code may have brackets of its own. */
function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[^]*?^```/gm, "");
}

/** As GitHub and the documentation of JSR name them. */
function headings(markdown: string): Set<string> {
  const found = withoutCode(markdown).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...found].map(([, text = ""]) =>
      text.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    ),
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** Reads the project's files. */
export function readProject(path: string): string | undefined {
  try {
    const file = join(ROOT, path);
    return Deno.statSync(file).isDirectory ? "" : Deno.readTextFileSync(file);
  } catch {
    return undefined;
  }
}

/** The README and all Markdown of the examples, from the project's folder. */
export function markdownFiles(
  folder: string = join(ROOT, "examples"),
): string[] {
  const files = [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory && entry.name !== "node_modules") {
      return markdownFiles(path).slice(1);
    }
    return entry.name.endsWith(".md") ? [relative(ROOT, path)] : [];
  });
  return ["README.md", ...files.sort()];
}
