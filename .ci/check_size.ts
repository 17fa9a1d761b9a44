import { join } from "node:path";
import { entryPoints, finish, packageNames, ROOT, runDeno } from "./project.ts";

/**
 * Minified bytes of our own code per entry point, and of a Worker that uses
 * `neon()` behind `dbSession`; npm packages are left out.
 * Written by `deno run -A .ci/check_size.ts --write`.
 */
const SIZES: Readonly<Record<string, number>> = {
  ".": 174464,
  "./dev": 85443,
  "./hono": 148660,
  "./neon": 27558,
  "./otel": 18673,
  "./pglite": 16213,
  "./postgres": 20403,
  "./scoped": 132304,
  "./testing": 34474,
  "a Worker": 193978,
};

/** What a change may add or take without saying so. */
const TOLERANCE = 0.05;

/** Says which entry points changed their size, came or went. */
export function sizeProblems(
  expected: Readonly<Record<string, number>>,
  actual: ReadonlyMap<string, number>,
): string[] {
  const problems: string[] = [];
  for (const [name, size] of actual) {
    const before = expected[name];
    if (before === undefined) problems.push(`${name} is not in the size table`);
    else if (Math.abs(size - before) > before * TOLERANCE) {
      const percent = ((size / before - 1) * 100).toFixed(1);
      problems.push(`${name} was ${before} bytes, is ${size} (${percent} %)`);
    }
  }
  for (const name of Object.keys(expected)) {
    if (!actual.has(name)) problems.push(`${name} is no entry point`);
  }
  return problems;
}

/** What a Worker that talks to Neon imports, by the names of the package. */
const WORKER = join(ROOT, ".ci", "worker_entry.ts");

/** What it must not have to carry. */
const FOREIGN =
  /^src\/(?:dev|otel|pglite|postgres|scoped|tasks|testing)\/|^src\/pool\/(?:assertion|queue|static)_pool\.ts$|^src\/drizzle\/m(?:ap_table|igrate)\.ts$/;

/**
 * The modules that a bundle has code of. Of one that was left out as a whole
 * the imports of packages may remain, which cost nothing.
 *
 * @param bundle Not minified: each module is led by a comment with its path.
 */
export function modulesIn(bundle: string): string[] {
  const [, ...parts] = `\n${bundle}`.split(/\n\/\/ (?=\S+\.ts\n)/);
  return parts.flatMap((part) => {
    const [path = "", ...lines] = part.split("\n");
    const isCode = lines.some((line) =>
      !/^(?:import .*|export .*|)$/.test(line)
    );
    return isCode ? [path] : [];
  });
}

async function workerProblems(packages: readonly string[]): Promise<string[]> {
  const code = new TextDecoder().decode(await bundle(WORKER, packages, []));
  const modules = modulesIn(code);
  if (!modules.includes("src/pool/null_pool.ts")) {
    return ["a Worker's bundle has no null_pool.ts: it cannot be read"];
  }
  return modules.filter((path) => FOREIGN.test(path))
    .map((path) => `a Worker that uses neon() carries ${path}`);
}

async function bundle(
  file: string,
  packages: readonly string[],
  options: readonly string[] = ["--minify"],
): Promise<Uint8Array<ArrayBuffer>> {
  const output = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const { success, stderr } = await runDeno(
      "bundle",
      ...options,
      "--platform=browser",
      // `--packages=external` overlooks what the import map names.
      ...["node:*", ...packages.flatMap((name) => [name, `${name}/*`])]
        .map((name) => `--external=${name}`),
      `--output=${output}`,
      file,
    );
    if (!success) throw new Error(`Cannot bundle ${file}: ${stderr}`);
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(output);
  }
}

async function gzipSize(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  const stream = new Blob([bytes]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).arrayBuffer()).byteLength;
}

async function writeTable(sizes: ReadonlyMap<string, number>): Promise<void> {
  const path = join(ROOT, ".ci", "check_size.ts");
  const rows = [...sizes].map(([name, size]) => `  "${name}": ${size},\n`);
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(
    path,
    text.replace(
      /(^const SIZES: .* = )\{[^}]*\};/m,
      `$1{\n${rows.join("")}};`,
    ),
  );
}

if (import.meta.main) {
  const packages = await packageNames();
  const sizes = new Map<string, number>();
  const entries = await entryPoints();
  for (const [name, file] of [...entries, ["a Worker", WORKER]] as const) {
    const code = await bundle(file, packages);
    sizes.set(name, code.byteLength);
    const gzip = await gzipSize(code);
    console.log(`${name.padEnd(12)} ${code.byteLength} bytes, gzip ${gzip}`);
  }
  if (Deno.args.includes("--write")) await writeTable(sizes);
  else {
    finish(
      [...sizeProblems(SIZES, sizes), ...await workerProblems(packages)],
      `No size changed by more than ${TOLERANCE * 100} %`,
    );
  }
}
