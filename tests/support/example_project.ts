import { dirname, join } from "node:path";
import {
  installedProject,
  type NpmProject,
  packedTarball,
} from "./npm_project.ts";

const ROOT = dirname(dirname(import.meta.dirname ?? ""));

/** What no copy of an example has: it is made by its commands. */
const MADE = new Set(["node_modules", "dist", ".data", ".wrangler"]);

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** An example as somebody has it who copied its folder. */
export interface ExampleProject extends NpmProject {
  /**
   * A script of its `package.json`, as a program and what it is told.
   *
   * @param name The script.
   * @param args What follows.
   */
  script(name: string, ...args: readonly string[]): [string, string[]];
}

/**
 * Copies an example and installs its packages, with this library as npm gets
 * it.
 *
 * @param name Its folder in `examples`.
 * @param without Packages that the test does not need, or brings itself.
 */
export async function exampleProject(
  name: string,
  without: readonly string[] = [],
): Promise<ExampleProject> {
  const directory = await Deno.makeTempDir({ prefix: `nullpool-${name}-` });
  await copyFolder(join(ROOT, "examples", name), directory);
  const manifest: Manifest = JSON.parse(
    await Deno.readTextFile(join(directory, "package.json")),
  );
  await using tarball = await packedTarball();
  const project = await installedProject(directory, {
    ...manifest,
    dependencies: { ...manifest.dependencies, "@nullpool/db": tarball.path },
    devDependencies: Object.fromEntries(
      Object.entries(manifest.devDependencies ?? {})
        .filter(([name]) => !without.includes(name)),
    ),
  });

  function script(
    name: string,
    ...args: readonly string[]
  ): [string, string[]] {
    const words = [...(manifest.scripts[name] ?? "").split(" "), ...args];
    const [first = "", second, ...rest] = words;
    if (first === "npm" && second === "run") {
      const [other = "", ...others] = rest.filter((word) => word !== "--");
      return script(other, ...others);
    }
    // The Deno that is here, instead of the newest.
    if (words.slice(0, 3).join(" ") === "npx -y deno@2") {
      return [Deno.execPath(), words.slice(3)];
    }
    return [first, words.slice(1)];
  }
  return { ...project, script };
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (MADE.has(name)) continue;
    const [source, target] = [join(from, name), join(to, name)];
    if (isDirectory) await copyFolder(source, target);
    else await Deno.copyFile(source, target);
  }
}
