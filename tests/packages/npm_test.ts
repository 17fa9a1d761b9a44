import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { runsScenario } from "../runtimes/runtime_bed.ts";
import { hasNode } from "../support/node.ts";
import {
  type NpmProject,
  npmProject,
  oldest,
  packedTarball,
  pinned,
} from "../support/npm_project.ts";

/** What the package is used with, here only. */
const TOOLS = {
  "@types/node": "20.19.43",
  "@types/ws": "8.18.1",
  "bun": "1.4.4",
  "typescript": "5.9.3",
  "typescript-7": "npm:typescript@7.0.2",
};

const FILES = {
  esm: ["scenario.ts", "program.ts", "edge_host.ts", "edge_function.ts"],
  cjs: ["scenario.ts", "program.ts"],
};

const STRICT = {
  strict: true,
  skipLibCheck: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: "es2023",
  types: ["node"],
  rewriteRelativeImportExtensions: true,
};

/**
 * A project with the package from its tarball, the oldest packages that it says
 * it works with, and two folders that use it.
 */
async function consumerProject(): Promise<NpmProject> {
  await using tarball = await packedTarball();
  const project = await npmProject({
    "@nullpool/db": tarball.path,
    ...oldest(
      "@electric-sql/pglite",
      "@neondatabase/serverless",
      "@opentelemetry/api",
      "drizzle-orm",
      "hono",
      "pg",
      "ws",
    ),
    ...await pinned("edge-runtime"),
    ...TOOLS,
  });
  const copy = async (from: string, to: string) =>
    await project.write(
      to,
      await Deno.readTextFile(new URL(from, import.meta.url)),
    );
  for (const [folder, files] of Object.entries(FILES)) {
    const type = folder === "esm" ? "module" : "commonjs";
    await project.write(`${folder}/package.json`, JSON.stringify({ type }));
    await copy("consumer.ts", `${folder}/consumer.ts`);
    for (const file of files) {
      await copy(`../runtimes/${file}`, `${folder}/${file}`);
    }
  }
  return project;
}

/**
 * Those whose declarations are at fault themselves: they name packages that
 * nobody has, and extend what has changed since.
 */
const THIRD_PARTIES =
  /^node_modules\/(drizzle-orm|@electric-sql\/pglite|@neondatabase\/serverless)\//;

/** Compiles a folder; what is no third party's fault is returned. */
async function compile(
  project: NpmProject,
  folder: string,
  compiler: "typescript" | "typescript-7",
  options: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const config = `${folder}/tsconfig.${compiler}.json`;
  const compilerOptions = { ...STRICT, ...options };
  await project.write(config, JSON.stringify({ compilerOptions }));
  const { code, output } = await project.run("node", [
    `node_modules/${compiler}/bin/tsc`,
    "--pretty",
    "false",
    "-p",
    config,
  ]);
  // It has come to its end, whatever it found.
  assert(code <= 2, output);
  return output.split("\n").filter((line) =>
    /^\S/.test(line) && !THIRD_PARTIES.test(line)
  );
}

/** Bundles as an app for the Edge Runtime is: one script, without modules. */
async function bundleEdge(project: NpmProject): Promise<void> {
  const { code, output } = await project.run(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--no-config",
    "--node-modules-dir=manual",
    "--platform=browser",
    "--format=iife",
    "--output=edge.js",
    "esm/edge_function.ts",
  ]);
  assertEquals(code, 0, output);
}

/** Prints whether the two ways to an entry point lead to the same things. */
const COMPARE = `
  const manifest = require("@nullpool/db/package.json");
  (async () => {
    for (const door of Object.keys(manifest.exports)) {
      if (door.endsWith(".json")) continue;
      const name = "@nullpool/db" + door.slice(1);
      const [required, imported] = [require(name), await import(name)];
      const names = Object.keys(imported);
      const same = names.filter((key) => required[key] === imported[key]);
      console.log(name, names.length > 0 && same.length === names.length);
    }
  })();
`;

const DOORS = [
  "",
  "/dev",
  "/hono",
  "/neon",
  "/otel",
  "/pglite",
  "/postgres",
  "/scoped",
  "/testing",
];

Deno.test({
  name: "the package from npm",
  ignore: !await hasNode(),
  async fn(t) {
    await using project = await consumerProject();

    await t.step(
      "is typed: nodenext and bundler, ES modules and CommonJS",
      async () => {
        // Others' declarations take most of the time: they are read once.
        const found = [
          await compile(project, "esm", "typescript-7", {
            module: "nodenext",
            skipLibCheck: false,
          }),
          ...await Promise.all([
            compile(project, "cjs", "typescript-7", { module: "nodenext" }),
            compile(project, "esm", "typescript", {
              module: "esnext",
              moduleResolution: "bundler",
              noEmit: true,
            }),
          ]),
        ];
        assertEquals(found, [[], [], []]);
      },
    );

    await t.step("an application of every entry point runs", async () => {
      const { code, output } = await project.run("node", ["esm/consumer.js"]);
      assertEquals(code, 0, output);
      assertEquals(JSON.parse(output), {
        answers: [
          [201, { id: 1, text: "first", stars: null }],
          [409, { isOurs: true, isIntegrity: true }],
        ],
        starred: ["first"],
        read: [{ stars: 5 }],
        names: ["postgres", "recording"],
      });
    });

    await t.step("require and import find the same things", async () => {
      await project.write("compare.cjs", COMPARE);
      const { output } = await project.run("node", ["compare.cjs"]);
      assertEquals(
        output,
        DOORS.map((door) => `@nullpool/db${door} true\n`).join(""),
      );
    });

    const both = ["neon", "postgres"] as const;

    await t.step(
      "the scenario runs on Node",
      () =>
        runsScenario(
          both,
          (options) => project.run("node", ["esm/program.js"], options),
        ),
    );

    await t.step(
      "the scenario runs on Node by require",
      () =>
        runsScenario(
          both,
          (options) => project.run("node", ["cjs/program.js"], options),
        ),
    );

    await t.step("the scenario runs on Bun", async () => {
      await project.run("node", ["node_modules/bun/install.js"]);
      const bun = join(project.directory, "node_modules/.bin/bun");
      await runsScenario(
        both,
        (options) => project.run(bun, ["esm/program.ts"], options),
      );
    });

    await t.step("the scenario runs on the Edge Runtime", async () => {
      await bundleEdge(project);
      await runsScenario(
        ["neon"],
        ({ env, ...options }) =>
          project.run("node", ["esm/edge_host.js"], {
            ...options,
            env: { ...env, EDGE_FUNCTION: "edge.js" },
          }),
      );
    });
  },
});
