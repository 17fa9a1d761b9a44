import { join, resolve } from "node:path";
import { ROOT, runDeno } from "./project.ts";

/** How a package is asked for that the code imports. */
export interface Requirement {
  /** The versions that do. */
  range: string;
  /**
   * `dependency`: nobody else's business. `peer`: the application imports it
   * as well, and both have to mean the same copy. `optional`: a peer of which
   * an application needs those whose entry points it uses.
   */
  as: "dependency" | "peer" | "optional";
}

/**
 * The packages of `deno.json` that the code imports, by the same ranges. The
 * newest versions are those of the lock, which nearly all tests meet; with the
 * oldest the tarball is tried, in `tests/packages/npm_test.ts`.
 */
export const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  "@electric-sql/pglite": { range: "^0.5.0", as: "optional" },
  "@neondatabase/serverless": { range: "^1.0.0", as: "optional" },
  "@opentelemetry/api": { range: "^1.9.0", as: "optional" },
  // Its sessions and transactions are extended: no other minor version.
  "drizzle-orm": { range: "^0.45.0", as: "peer" },
  "hono": { range: "^4.4.0", as: "optional" },
  "pg": { range: "^8.13.0", as: "optional" },
  "pg-types": { range: "^2.2.0", as: "dependency" },
  "ws": { range: "^8.17.0", as: "optional" },
};

/**
 * There are ES modules and no CommonJS beside them: two builds would be two
 * `NullpoolError` classes in one program, and two of everything that is looked
 * up by identity. These versions of Node `require` an ES module unasked.
 *
 * Declarations there are twice. Whoever uses `require` is given Drizzle's
 * CommonJS declarations, whose classes are others to the compiler: ours have to
 * mean the same ones.
 */
const NODE = "^20.19.0 || >=22.12.0";

const DESCRIPTION =
  "Database sessions for serverless and edge runtimes: SQLAlchemy's Session, for Drizzle and Hono";
const KEYWORDS = [
  "database",
  "drizzle",
  "edge",
  "hono",
  "neon",
  "postgres",
  "serverless",
  "session",
  "transaction",
  "unit-of-work",
];

/** The part of `deno pack`'s `package.json` that is kept. */
interface Packed {
  name: string;
  version: string;
  license: string;
  exports: Record<string, { types: string; default: string }>;
}

/** The part of the published `package.json` that is of use here. */
export interface Manifest extends Record<string, unknown> {
  /** The package. */
  name: string;
  /** As in `deno.json`. */
  version: string;
}

/**
 * The packages that a module names, comments left out.
 *
 * @param code A module, or its declarations, as `deno pack` writes them.
 */
export function packagesOf(code: string): string[] {
  const imports =
    /^(?! *\*(?!\/))(?:.*\bfrom |.*\bimport\(|import )"((?:@[\w.-]+\/)?\w[\w.-]*)(?:\/[^"]*)?"/gm;
  return [...code.matchAll(imports)].map(([, name = ""]) => name);
}

/**
 * The `package.json` that is published.
 *
 * @param packed What `deno pack` wrote.
 * @param packages What the code imports.
 */
export function manifest(
  packed: Packed,
  packages: Iterable<string>,
): Manifest {
  const dependencies: Record<string, string> = {};
  const peers: Record<string, string> = {};
  const optional: Record<string, { optional: true }> = {};
  for (const name of [...new Set(packages)].toSorted()) {
    const requirement = REQUIREMENTS[name];
    if (requirement === undefined) {
      throw new Error(`.ci/pack.ts does not say how "${name}" is asked for`);
    }
    if (requirement.as === "dependency") dependencies[name] = requirement.range;
    else peers[name] = requirement.range;
    if (requirement.as === "optional") optional[name] = { optional: true };
  }
  const { name, version, license, exports } = packed;
  const doors = Object.entries(exports).map(([door, { types, default: js }]) => // The first condition that fits is taken.
  [door, {
    require: { types: commonTypes(types), default: js },
    types,
    default: js,
  }]);
  return {
    name,
    version,
    description: DESCRIPTION,
    keywords: KEYWORDS,
    license,
    type: "module",
    sideEffects: false,
    engines: { node: NODE },
    main: exports["."]?.default,
    types: exports["."]?.types,
    exports: {
      ...Object.fromEntries(doors),
      "./package.json": "./package.json",
    },
    dependencies,
    peerDependencies: peers,
    peerDependenciesMeta: optional,
  };
}

/** The name of a file of declarations for whoever uses `require`. */
function commonTypes(path: string): string {
  return path.replace(/\.d\.ts$/, ".d.cts");
}

/**
 * Declarations for whoever uses `require`: the same, beside each other.
 *
 * @param code Declarations as `deno pack` writes them.
 */
export function commonDeclarations(code: string): string {
  return code.replace(
    /^(?! *\*(?!\/))(.*(?:\bfrom |\bimport\(|import )"\.{1,2}\/[^"]*)\.js"/gm,
    '$1.cjs"',
  );
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`${program} ${args[0]}: ${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

/** The files below a folder. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

/** Writes what `deno pack` leaves out. */
async function complete(folder: string): Promise<Manifest> {
  const packages = new Set<string>();
  for (const path of await Array.fromAsync(filesBelow(folder))) {
    if (!/\.(js|d\.ts)$/.test(path)) continue;
    const code = await Deno.readTextFile(path);
    for (const name of packagesOf(code)) packages.add(name);
    if (path.endsWith(".js")) continue;
    await Deno.writeTextFile(commonTypes(path), commonDeclarations(code));
  }
  const file = join(folder, "package.json");
  const content = manifest(
    JSON.parse(await Deno.readTextFile(file)),
    packages,
  );
  await Deno.writeTextFile(file, `${JSON.stringify(content, null, 2)}\n`);
  return content;
}

/**
 * Makes the tarball for npm: `deno pack` turns the modules into JavaScript and
 * declarations, and says in `package.json` what it can know.
 *
 * @param directory Where the tarball is put.
 * @returns Its path. The same sources make the same bytes.
 */
export async function pack(directory: string): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "nullpool-pack-" });
  try {
    const raw = join(work, "raw.tgz");
    // Source maps would carry the paths of this machine.
    const { success, stderr } = await runDeno(
      "pack",
      "--no-source-maps",
      "--allow-dirty",
      `--output=${raw}`,
    );
    if (!success) throw new Error(`deno pack: ${stderr}`);
    await run("tar", "-xzf", raw, "-C", work);
    const folder = join(work, "package");
    const { name, version } = await complete(folder);
    await Deno.mkdir(directory, { recursive: true });
    await run(
      "npm",
      "pack",
      folder,
      "--ignore-scripts",
      `--pack-destination=${resolve(directory)}`,
    );
    const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
    return join(resolve(directory), file);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

if (import.meta.main) console.log(await pack(join(ROOT, "dist")));
