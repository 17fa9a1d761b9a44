import { join } from "node:path";
import { entryPoints, finish, packageNames, ROOT, runDeno } from "./project.ts";

/**
 * Minified bytes of our own code per entry point; npm packages are left out.
 * Written by `deno run -A .ci/check_size.ts --write`.
 */
const SIZES: Readonly<Record<string, number>> = {
  ".": 142078,
  "./dev": 24811,
  "./hono": 121897,
  "./neon": 13696,
  "./pglite": 6353,
  "./postgres": 8980,
  "./scoped": 109058,
  "./testing": 25601,
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

async function bundle(
  file: string,
  packages: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const output = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const { success, stderr } = await runDeno(
      "bundle",
      "--minify",
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
  for (const [name, file] of await entryPoints()) {
    const code = await bundle(file, packages);
    sizes.set(name, code.byteLength);
    const gzip = await gzipSize(code);
    console.log(`${name.padEnd(12)} ${code.byteLength} bytes, gzip ${gzip}`);
  }
  if (Deno.args.includes("--write")) await writeTable(sizes);
  else {
    finish(
      sizeProblems(SIZES, sizes),
      `No size changed by more than ${TOLERANCE * 100} %`,
    );
  }
}
