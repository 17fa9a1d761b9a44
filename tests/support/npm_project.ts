import { dirname, join } from "node:path";
import { pack, REQUIREMENTS } from "../../.ci/pack.ts";
import { type Outcome, type RunOptions, runProgram } from "./node.ts";

/** A folder with `node_modules`, until it is disposed. */
export interface NpmProject extends AsyncDisposable {
  /** Its path. */
  readonly directory: string;
  /** Writes a file, and the folders that lead to it. */
  write(path: string, content: string): Promise<void>;
  /** Runs a program to its end, in the project's folder. */
  run(
    program: string,
    args: readonly string[],
    options?: RunOptions,
  ): Promise<Outcome>;
}

/** The tarball of this package in a folder of its own. */
export interface Tarball extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
}

/** Makes the tarball that npm would get, in a temporary folder. */
export async function packedTarball(): Promise<Tarball> {
  const directory = await Deno.makeTempDir({ prefix: "nullpool-tarball-" });
  return {
    path: await pack(directory),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

/**
 * Makes a project in a temporary folder and installs its packages, without
 * their scripts. What npm has in its cache is not asked for again.
 *
 * @param dependencies Names to versions, or to the paths of tarballs; such as
 * of `packedTarball`, and of `pinned`.
 */
export async function npmProject(
  dependencies: Readonly<Record<string, string>>,
): Promise<NpmProject> {
  const directory = await Deno.makeTempDir({ prefix: "nullpool-npm-" });
  const manifest = { private: true, type: "module", dependencies };
  return await installedProject(directory, manifest);
}

/**
 * Installs the packages of a project, as `npmProject` does.
 *
 * @param directory Where it is; it goes with the project.
 * @param manifest Its `package.json`.
 */
export async function installedProject(
  directory: string,
  manifest: unknown,
): Promise<NpmProject> {
  const project: NpmProject = {
    directory,
    async write(path, content) {
      const file = join(directory, path);
      await Deno.mkdir(dirname(file), { recursive: true });
      await Deno.writeTextFile(file, content);
    },
    run: (program, args, options) =>
      runProgram(program, args, { cwd: directory, ...options }),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
  await project.write("package.json", JSON.stringify(manifest));
  const { code, output } = await project.run("npm", [
    "install",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--ignore-scripts",
  ]);
  if (code === 0) return project;
  await project[Symbol.asyncDispose]();
  throw new Error(`npm install failed: ${output}`);
}

/**
 * The versions of packages that all tests meet, so that an npm project has the
 * same.
 *
 * @param names The packages.
 */
export async function pinned(
  ...names: readonly string[]
): Promise<Record<string, string>> {
  const file = new URL("../../.ci/deno.lock", import.meta.url);
  const lock = JSON.parse(await Deno.readTextFile(file));
  const versions = new Map<string, string>();
  for (const [specifier, locked] of Object.entries<string>(lock.specifiers)) {
    // Behind the version are those of its peers: "0.45.4_pg@8.23.1".
    const [version = ""] = locked.split("_");
    versions.set(specifier.replace(/^npm:|(?<=.)@[^@/]+$/g, ""), version);
  }
  return Object.fromEntries(names.map((name) => {
    const version = versions.get(name);
    if (version === undefined) throw new Error(`${name} is not in the lock`);
    return [name, version];
  }));
}

/**
 * The oldest versions of packages that the tarball for npm allows.
 *
 * @param names The packages.
 */
export function oldest(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => {
    const version = /\d[\w.-]*/.exec(REQUIREMENTS[name]?.range ?? "")?.[0];
    if (version === undefined) throw new Error(`${name} is not asked for`);
    return [name, version];
  }));
}
