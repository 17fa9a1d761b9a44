import { type NeonServer, serveNeon } from "@nullpool/db/dev";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import {
  type ExampleProject,
  exampleProject,
} from "../support/example_project.ts";
import { hasNode } from "../support/node.ts";
import { pinned } from "../support/npm_project.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { startProgram } from "../support/running_program.ts";
import {
  aroundTests,
  type RunningWorker,
  startWorkerd,
} from "../support/workerd.ts";

const ROOT = dirname(dirname(import.meta.dirname ?? ""));

/** What an upload may be at the most, compressed. */
const MAX_GZIP_KIB = 158;

/** Wrangler asks nobody and writes no log. */
const QUIET = {
  CI: "true",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_LOG_SANITIZE: "true",
  WRANGLER_WRITE_LOGS: "false",
};

/**
 * A copy of the template. Its Wrangler is the one in Deno's cache, which has
 * the workerd that the other tests have.
 */
async function copyTemplate(): Promise<ExampleProject> {
  const project = await exampleProject("cloudflare-worker", [
    "drizzle-kit",
    "typescript",
    "wrangler",
  ]);
  const { wrangler } = await pinned("wrangler");
  await project.write(
    "node_modules/wrangler/package.json",
    JSON.stringify({ name: "wrangler", version: wrangler, bin: "main.cjs" }),
  );
  const args = ["run", "-A", `--config=${join(ROOT, "deno.json")}`];
  await project.write(
    "node_modules/wrangler/main.cjs",
    `const args = ${JSON.stringify([...args, `npm:wrangler@${wrangler}`])};
const child = new Deno.Command(Deno.execPath(), {
  args: [...args, ...process.argv.slice(2)],
}).spawn();
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.status.then(({ code }) => process.exit(code));
`,
  );
  return project;
}

/** Runs a script of the template to its end. */
async function run(
  project: ExampleProject,
  [name, ...args]: [name: string, ...args: string[]],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, output } = await project.run(...project.script(name, ...args), {
    env: { ...QUIET, ...env },
  });
  assertEquals(code, 0, output);
  return output;
}

/** Bundles a variant as `npm run deploy` does. */
async function bundle(
  project: ExampleProject,
  config: string,
  main: string,
): Promise<string> {
  const output = await run(project, ["build", `--config=${config}`]);
  const [line, gzip] = /Total Upload: .* \/ gzip: ([\d.]+) KiB/.exec(output) ??
    [];
  console.log(`${config}: ${line}`);
  assert(Number(gzip) <= MAX_GZIP_KIB, output);
  return await Deno.readTextFile(join(project.directory, "dist", main));
}

interface Template extends AsyncDisposable {
  readonly project: ExampleProject;
  readonly database: TestDatabase;
  readonly endpoint: NeonServer;
  readonly neon: RunningWorker;
  readonly hyperdrive: RunningWorker;
}

async function startTemplate(): Promise<Template> {
  const project = await copyTemplate();
  const bundles = {
    neon: await bundle(project, "wrangler.jsonc", "index.js"),
    hyperdrive: await bundle(
      project,
      "wrangler.hyperdrive.jsonc",
      "hyperdrive.js",
    ),
  };
  const database = await testDatabase();
  await run(project, ["migrate"], { DATABASE_URL: database.url });
  const endpoint = await serveNeon({
    backend: database.url,
    port: 0,
    // Nothing is kept between requests: what is left was left by the Worker.
    poolSize: 0,
  });
  const settings = await wranglerSettings(project);
  const neon = await startWorkerd(bundles.neon, {
    ...settings,
    bindings: { DATABASE_URL: endpoint.url },
  });
  const hyperdrive = await startWorkerd(bundles.hyperdrive, {
    ...settings,
    hyperdrives: { HYPERDRIVE: database.url },
  });
  return {
    project,
    database,
    endpoint,
    neon,
    hyperdrive,
    async [Symbol.asyncDispose]() {
      await neon[Symbol.asyncDispose]();
      await hyperdrive[Symbol.asyncDispose]();
      await endpoint.close();
      await database.drop();
      await project[Symbol.asyncDispose]();
    },
  };
}

/** What both configurations say of the runtime. */
async function wranglerSettings(project: ExampleProject) {
  const [neon, hyperdrive] = await Promise.all(
    ["wrangler.jsonc", "wrangler.hyperdrive.jsonc"].map(async (name) => {
      const text = await Deno.readTextFile(join(project.directory, name));
      const settings = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, ""));
      return {
        compatibilityDate: settings.compatibility_date,
        compatibilityFlags: settings.compatibility_flags,
      };
    }),
  );
  assertEquals(neon, hyperdrive);
  return neon;
}

/** npm installs what the template needs: without it nothing is started. */
const ignore = !(await hasNode());

const shared = aroundTests(startTemplate);

/** Asks a Worker. */
async function ask(
  worker: RunningWorker,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; location: string; body: unknown }> {
  const response = await worker.fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    location: response.headers.get("location") ?? "",
    body: text === "" ? undefined : JSON.parse(text),
  };
}

for (const variant of ["neon", "hyperdrive"] as const) {
  Deno.test(`the Worker template, as Wrangler bundles it: ${variant}`, {
    ignore,
  }, async () => {
    const { database, endpoint, [variant]: worker } = shared();
    const tea = { title: "Tea", tags: [variant, "shop"] };
    const { status, location } = await ask(worker, "POST", "/notes", tea);
    assertEquals(status, 201);

    const patched = await ask(worker, "PATCH", location, { body: "Green" });
    assertEquals(patched.status, 200);
    const { body: found } = await ask(worker, "GET", `/notes?tag=${variant}`);
    assert(Array.isArray(found));
    assertEquals(
      found.map(({ title, body, tags }) => ({ title, body, tags })),
      [{ ...tea, body: "Green" }],
    );
    assertEquals((await ask(worker, "GET", location)).body, found[0]);

    const empty = await ask(worker, "POST", "/notes", { title: "" });
    assertEquals(empty.status, 422);
    assertEquals((await ask(worker, "DELETE", location)).status, 204);
    assertEquals((await ask(worker, "GET", location)).status, 404);
    assertEquals((await ask(worker, "PATCH", "/notes/x", {})).status, 422);

    const many = await Promise.all(
      Array.from({ length: 12 }, () => ask(worker, "POST", "/notes", tea)),
    );
    assertEquals(new Set(many.map(({ location }) => location)).size, 12);
    await database.waitFor(async () => await database.connections() === 0);
    // A goodbye that was not answered yet keeps a timer.
    await endpoint.idle();
  });
}

Deno.test("the Worker template: npm test, npm run types", {
  ignore,
}, async () => {
  const { project } = shared();
  const [tested] = await Promise.all([
    run(project, ["test"]),
    run(project, ["types"]),
  ]);
  assertStringIncludes(tested, "1 passed");
  const types = await Deno.readTextFile(
    join(project.directory, "worker-configuration.d.ts"),
  );
  assertStringIncludes(types, "DATABASE_URL: string;");
});

Deno.test("the Worker template: npm run dev needs no account and no settings", {
  ignore,
}, async () => {
  const { project } = shared();
  await using dev = await startProgram(
    ...project.script("dev", "--port=0", "--ip=127.0.0.1"),
    {
      cwd: project.directory,
      env: QUIET,
      ready: /Ready on (http:\/\/127\.0\.0\.1:\d+)/,
    },
  );
  const [url] = dev.groups;
  const added = await fetch(`${url}/notes`, {
    method: "POST",
    body: JSON.stringify({ title: "Tea" }),
  });
  assertEquals(added.status, 201, await added.text());
  assertEquals((await (await fetch(`${url}/notes/1`)).json()).title, "Tea");

  await dev.stop("SIGTERM");
  const left = [...Deno.readDirSync(join(project.directory, ".data"))];
  // The data, and no lock of it.
  assertEquals(left.map(({ name }) => name), ["neon"]);
});

Deno.test("the Worker template's Wrangler is the one that is tested", async () => {
  const manifest = JSON.parse(
    await Deno.readTextFile(
      join(ROOT, "examples/cloudflare-worker/package.json"),
    ),
  );
  const { devDependencies, dependencies } = manifest;
  const names = ["@electric-sql/pglite", "wrangler", "ws"];
  assertEquals(
    Object.fromEntries(names.map((name) => [name, devDependencies[name]])),
    await pinned(...names),
  );
  assertEquals(dependencies, await pinned(...Object.keys(dependencies)));
});
