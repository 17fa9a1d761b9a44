import { join } from "node:path";
import { finish, ROOT } from "./project.ts";

const TOP_LEVEL = new Set([
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "README.md",
  "bench",
  "deno.json",
  "examples",
  "mod.ts",
  "src",
  "tests",
]);

/** What the README tells people to type, and `.ci/run` runs. */
const TEST_COMMAND = "npx -y deno@2 task test";

/** Names at the top level that do not belong there. */
export function strangers(
  names: readonly string[],
  gitignore: string,
): string[] {
  const ignored = new Set(
    gitignore.split("\n").map((line) => line.trim().replace(/\/$/, "")),
  );
  return names.filter((name) =>
    !name.startsWith(".") && !TOP_LEVEL.has(name) && !ignored.has(name)
  );
}

if (import.meta.main) {
  const names = [...Deno.readDirSync(ROOT)].map(({ name }) => name);
  const gitignore = await Deno.readTextFile(join(ROOT, ".gitignore"));
  const problems = strangers(names, gitignore)
    .map((name) => `${name} does not belong at the top level`);
  const needed = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"];
  for (const name of [...needed, "mod.ts"]) {
    if (!names.includes(name)) problems.push(`${name} is missing`);
  }
  if (names.includes("README.md")) {
    const readme = await Deno.readTextFile(join(ROOT, "README.md"));
    if (!readme.includes(TEST_COMMAND)) {
      problems.push(`README.md does not name "${TEST_COMMAND}"`);
    }
  }
  finish(problems, "The top level is as it should be");
}
