import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { commonDeclarations, manifest, packagesOf } from "../../.ci/pack.ts";
import { readDenoJson, ROOT } from "../../.ci/project.ts";
import { hasNode, runProgram } from "../support/node.ts";
import { packedTarball, pinned } from "../support/npm_project.ts";

const config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
const doors: string[] = Object.keys(config.exports);

/** A module as `deno info` tells of it. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly specifier: string }[];
}

/** The files of a tarball: path to text. */
async function unpack(tarball: string): Promise<Map<string, string>> {
  const directory = await Deno.makeTempDir();
  try {
    const { code, output } = await runProgram("tar", [
      "-xzf",
      tarball,
      "-C",
      directory,
    ]);
    assertEquals(code, 0, output);
    const files = new Map<string, string>();
    for (const path of await filesOf(join(directory, "package"))) {
      const name = relative(join(directory, "package"), path);
      files.set(name, await Deno.readTextFile(path));
    }
    return files;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function filesOf(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    paths.push(...isDirectory ? await filesOf(path) : [path]);
  }
  return paths;
}

/** Whether npm takes a version for a range such as `^1.2.3`. */
function allows(range: string, version: string): boolean {
  const from = numbers(range.slice(1));
  const [major = 0, minor = 0] = from;
  const to = major > 0 ? [major + 1, 0, 0] : [0, minor + 1, 0];
  const own = numbers(version);
  return compare(from, own) <= 0 && compare(own, to) < 0;
}

function numbers(version: string): number[] {
  return version.split(".").map(Number);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((each, index) => each !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** The packages that an entry point cannot be loaded without. */
function needsOf(files: ReadonlyMap<string, string>, door: string): string[] {
  const start = join(config.exports[door]).replace(/\.ts$/, ".js");
  const seen = new Set([start]);
  const packages = new Set<string>();
  for (const path of seen) {
    // What is imported later is loaded when it is called.
    const code = (files.get(path) ?? "").replaceAll("await import(", "");
    for (const name of packagesOf(code)) packages.add(name);
    const imports = /^(?! *\*(?!\/)).*\bfrom "(\.[^"]+)"/gm;
    for (const [, target = ""] of code.matchAll(imports)) {
      seen.add(join(path, "..", target));
    }
  }
  return [...packages].filter((name) => name !== "node").toSorted();
}

Deno.test({
  name: "the tarball for npm",
  ignore: !await hasNode(),
  async fn(t) {
    await using tarball = await packedTarball();
    const files = await unpack(tarball.path);
    const text = (path: string) => files.get(path) ?? "";
    const content = JSON.parse(text("package.json"));

    await t.step("says what the package is", () => {
      const { name, version, license, type, sideEffects, engines } = content;
      assertEquals(
        { name, version, license, type, sideEffects, engines },
        {
          name: config.name,
          version: config.version,
          license: config.license,
          type: "module",
          sideEffects: false,
          engines: { node: "^20.19.0 || >=22.12.0" },
        },
      );
      for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
        assertEquals(text(file), Deno.readTextFileSync(join(ROOT, file)));
      }
    });

    await t.step("has types for every entry point, both ways", () => {
      const { "./package.json": _, ...exports } = content.exports;
      assertEquals(Object.keys(exports), doors);
      for (
        const [door, { require, types, default: js }] of Object.entries<
          & { require: { types: string; default: string } }
          & Record<string, string>
        >(exports)
      ) {
        const source = config.exports[door];
        assertEquals([types, require.types, js, require.default], [
          source.replace(/\.ts$/, ".d.ts"),
          source.replace(/\.ts$/, ".d.cts"),
          source.replace(/\.ts$/, ".js"),
          source.replace(/\.ts$/, ".js"),
        ]);
        for (const path of [types, require.types, js]) {
          assert(text(join(String(path))).includes("export "), path);
        }
      }
    });

    await t.step("asks for a peer only where an entry point needs it", () => {
      const needs = Object.fromEntries(
        doors.map((door) => [door, needsOf(files, door)]),
      );
      assertEquals(needs, {
        ".": ["drizzle-orm"],
        "./dev": ["hono", "pg", "ws"],
        "./hono": ["drizzle-orm"],
        "./neon": ["@neondatabase/serverless"],
        "./otel": ["@opentelemetry/api"],
        "./pglite": ["@electric-sql/pglite", "pg-types"],
        "./postgres": ["pg"],
        "./scoped": ["drizzle-orm"],
        "./testing": [],
      });
      const everywhere = ["drizzle-orm"];
      const own = ["pg-types"];
      const { dependencies, peerDependencies, peerDependenciesMeta } = content;
      assertEquals(Object.keys(dependencies), own);
      assertEquals(
        Object.keys(peerDependencies).toSorted(),
        [...Object.keys(peerDependenciesMeta), ...everywhere].toSorted(),
      );
      for (const name of Object.values(needs).flat()) {
        assert(own.includes(name) || name in peerDependencies, name);
      }
    });

    await t.step("allows the versions that all other tests meet", async () => {
      const ranges = { ...content.dependencies, ...content.peerDependencies };
      const versions = await pinned(...Object.keys(ranges));
      for (const [name, range] of Object.entries<string>(ranges)) {
        const version = versions[name] ?? "";
        assert(allows(range, version), `${name}@${version}: ${range}`);
        // Who takes the package from JSR is given the same choice.
        assertEquals(config.imports[name], `npm:${name}@${range}`);
      }
      const outside = [
        allows("^0.45.0", "0.46.0"),
        allows("^1.2.0", "2.0.0"),
        allows("^1.2.0", "1.1.9"),
      ];
      assertEquals(outside, outside.map(() => false));
    });

    await t.step("knows nothing of this machine", () => {
      const places = [ROOT, `${tmpdir()}/`, `${homedir()}/`, "file:///"];
      for (const [path, code] of files) {
        for (const place of places) assertFalse(code.includes(place), path);
        assertFalse(code.includes("sourceMappingURL"), path);
      }
      assert(files.size > doors.length);
    });

    await t.step("is the same when it is made again", async () => {
      await using again = await packedTarball();
      assertEquals(
        await Deno.readFile(again.path),
        await Deno.readFile(tarball.path),
      );
    });
  },
});

Deno.test("packagesOf() reads imports and leaves comments out", () => {
  const code = [
    "/**",
    ' * import { Hono } from "hono";',
    ' */ import { a } from "@scope/name/deep";',
    'export type { B } from "plain";',
    'import "bare";',
    'import { c } from "./own.js";',
    'type D = import("lazy/part").D;',
    'throw new Error(`not from "${name}": no`);',
  ].join("\n");
  assertEquals(packagesOf(code), ["@scope/name", "plain", "bare", "lazy"]);
});

Deno.test("commonDeclarations() renames the files of the package alone", () => {
  const code = [
    ' */ import { a } from "./a.js";',
    'import { b } from "../b.js";',
    'import { c } from "c/c.js";',
    ' * import { d } from "./d.js";',
  ];
  assertEquals(commonDeclarations(code.join("\n")).split("\n"), [
    ' */ import { a } from "./a.cjs";',
    'import { b } from "../b.cjs";',
    ...code.slice(2),
  ]);
});

Deno.test("manifest() refuses a package that nobody has thought about", () => {
  const packed = { name: "a", version: "1.0.0", license: "MIT", exports: {} };
  assertThrows(() => manifest(packed, ["left-pad"]), Error, "left-pad");
});

Deno.test("JSR accepts every specifier of the entry points", async () => {
  const graphs = await Promise.all(
    doors.map((door) =>
      readDenoJson<{ modules: Module[] }>(
        "info",
        "--json",
        config.exports[door],
      )
    ),
  );
  const strangers = new Set<string>();
  let count = 0;
  for (
    const { specifier: from, dependencies = [] } of graphs.flatMap((
      { modules },
    ) => modules)
  ) {
    if (!from.startsWith("file:")) continue;
    for (const { specifier } of dependencies) {
      count++;
      // Files by their whole names, Node's modules by theirs, and what the
      // import map gives a registry and a version: JSR writes that instead.
      const isFile = /^\.{1,2}\/.*\.ts$/.test(specifier);
      const [mapped] = Object.entries<string>(config.imports)
        .filter(([name]) =>
          specifier === name || name.endsWith("/") && specifier.startsWith(name)
        );
      const isPackage = /^npm:\/?(@[\w-]+\/)?[\w-]+@\^?\d/.test(
        mapped?.[1] ?? "",
      );
      if (!isFile && !isPackage && !specifier.startsWith("node:")) {
        strangers.add(specifier);
      }
    }
  }
  assertEquals([...strangers], []);
  assert(count > doors.length);
});
