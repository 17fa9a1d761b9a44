/**
 * Runs Drizzle's own PostgreSQL and relational tests on sessions of this
 * library, unchanged: only what `drizzle(client)` returns is another database.
 *
 *     deno run -A tests/drizzle/drizzle_suite.ts <drizzle-orm> [mode ...]
 *
 * `<drizzle-orm>` is a git repository or checkout of that project. The modes
 * say who ends transactions; without one, all three run:
 *
 * - `reference`: no session at all, Drizzle's own driver. What fails here says
 *   nothing about us.
 * - `each-statement`: one session per connection, which commits after every
 *   statement and rolls back after a failed one.
 * - `one-transaction`: one session per connection, on which every test, its
 *   set-up included, is one explicit transaction; COMMIT must succeed, unless
 *   the test has left a statement failed.
 *
 * The database is that of `testDatabase()`, a fresh one per mode. Packages come
 * from npm and live, with the tests, in a folder of the system's temporary
 * directory that later runs use again.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testDatabase } from "../support/postgres.ts";
import config from "../../deno.json" with { type: "json" };

const MODES = ["reference", "each-statement", "one-transaction"] as const;
type Mode = typeof MODES[number];

const LIBRARY = join(import.meta.dirname ?? "", "../..");

/** What is taken out of the repository, below `integration-tests/`. */
const SOURCES = [
  "drizzle2/pg",
  "tests/common.ts",
  "tests/utils.ts",
  "tests/pg",
  "tests/relational",
];

/** The test files for the driver `node-postgres`. */
const TEST_FILES = [
  "tests/pg/node-postgres.test.ts",
  "tests/pg/pg-custom.test.ts",
  "tests/pg/rls/*.test.ts",
  "tests/relational/pg.test.ts",
  "tests/relational/issues-schemas/duplicates/pg/*.test.ts",
  "tests/relational/issues-schemas/wrong-mapping/pg.test.ts",
];

const PACKAGE_JSON = JSON.stringify({
  private: true,
  type: "module",
  dependencies: {
    // What the library itself runs with.
    "drizzle-orm": versionOf("drizzle-orm"),
    "pg": versionOf("pg"),
    // What the tests import.
    "async-retry": "^1.3.3",
    "dotenv": "^16.1.4",
    "get-port": "^7.0.0",
    "keyv": "^5.2.3",
    "uuid": "^9.0.0",
    "vitest": "^3.2.0",
  },
});

const VITEST_CONFIG = `
import { defineConfig } from "vitest/config";
import { env } from "node:process";

const here = import.meta.dirname;
const reference = env.NULLPOOL_MODE === "reference";

export default defineConfig({
  resolve: {
    alias: [
      { find: /^~\\//, replacement: here + "/tests/" },
      // Never called: PG_CONNECTION_STRING is set.
      { find: /^dockerode$/, replacement: here + "/dockerode.ts" },
      ...(reference ? [] : [{
        find: /^drizzle-orm\\/node-postgres$/,
        replacement: here + "/session_driver.ts",
      }]),
    ],
    // The library's files lie elsewhere, but a second copy of Drizzle would
    // have other classes.
    dedupe: ["drizzle-orm", "pg"],
  },
  test: {
    include: ${JSON.stringify(TEST_FILES)},
    setupFiles: reference ? [] : ["session_hooks.ts"],
    // They share a database and drop its schemas.
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
`;

/** Takes the place of \`drizzle-orm/node-postgres\` in the tests. */
const SESSION_DRIVER = `
import { createEngine, NullPool, sessionmaker, StaticPool } from ${
  JSON.stringify(join(LIBRARY, "mod.ts"))
};
import { postgres } from ${
  JSON.stringify(join(LIBRARY, "src/postgres/mod.ts"))
};
import { env } from "node:process";

const commitsEach = env.NULLPOOL_MODE === "each-statement";

/** The engine and session for each client of this test file. */
export const opened = new Map();

/**
 * As Drizzle's function of this name. Databases of one client share one
 * connection, so here they are one session.
 */
export function drizzle(client, { schema } = {}) {
  const known = opened.get(client);
  if (known !== undefined) return known.session;
  const engine = createEngine(postgres(env.PG_CONNECTION_STRING), {
    // Tests say SET TIME ZONE and rely on it in the next statement.
    pool: (driver) =>
      commitsEach ? new StaticPool(driver) : new NullPool(driver),
  });
  const session = sessionmaker(engine, { schema })();
  if (commitsEach) commitEach(session);
  opened.set(client, { engine, session });
  return session;
}

/**
 * Makes a session commit after every statement. All of Drizzle's builders
 * prepare and run through the runner, so that is where it is done;
 * \`transaction(fn)\` on an idle session commits by itself.
 */
function commitEach(session) {
  const runner = session.session;
  let last = Promise.resolve();

  /** One after the other, as on a client: commit() refuses a busy session. */
  function inTurn(work) {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  }

  async function committed(run) {
    try {
      const result = await run();
      await session.commit();
      return result;
    } catch (error) {
      await session.rollback();
      throw error;
    }
  }

  const prepareQuery = runner.prepareQuery.bind(runner);
  runner.prepareQuery = (...query) => {
    const prepared = prepareQuery(...query);
    for (const method of ["execute", "all", "values"]) {
      const run = prepared[method].bind(prepared);
      prepared[method] = (values) => inTurn(() => committed(() => run(values)));
    }
    return prepared;
  };
  const transaction = runner.transaction.bind(runner);
  runner.transaction = (...block) => inTurn(() => transaction(...block));
}
`;

/** Ends what a test leaves open; its hooks enclose those of the test files. */
const SESSION_HOOKS = `
import { afterAll, afterEach, beforeEach } from "vitest";
import { env } from "node:process";
import { opened } from "./session_driver.ts";

if (env.NULLPOOL_MODE === "one-transaction") {
  beforeEach(async () => {
    for (const { session } of opened.values()) await session.begin();
  });
  afterEach(async () => {
    for (const { session } of opened.values()) {
      await (session.isActive ? session.commit() : session.rollback());
    }
  });
}

afterAll(async () => {
  for (const { engine, session } of opened.values()) {
    await session.close();
    await engine.dispose();
  }
  opened.clear();
});
`;

/** The part of vitest's JSON report that is used. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  testResults: {
    name: string;
    message: string;
    assertionResults: {
      fullName: string;
      status: string;
      failureMessages: string[];
    }[];
  }[];
}

async function main([repository, ...modes]: string[]): Promise<void> {
  if (repository === undefined || !modes.every(isMode)) {
    console.error(
      `usage: drizzle_suite.ts <drizzle-orm> [${MODES.join(" | ")} ...]`,
    );
    Deno.exit(2);
  }
  const scratch = join(tmpdir(), `nullpool-drizzle-suite-${Deno.uid()}`);
  await prepare(repository, scratch);
  let failed = 0;
  for (const mode of modes.length > 0 ? modes : MODES) {
    const report = await runMode(scratch, mode);
    printReport(mode, report);
    if (mode !== "reference") failed += report.numFailedTests;
  }
  Deno.exit(failed === 0 ? 0 : 1);
}

/** Fills the scratch folder: tests, set-up files, packages. */
async function prepare(repository: string, scratch: string): Promise<void> {
  await Deno.mkdir(scratch, { recursive: true });
  const gitDirectory = await exists(join(repository, ".git"))
    ? join(repository, ".git")
    : repository;
  const revision = await revisionOf(gitDirectory);
  const archive = join(scratch, "tests.tar");
  for (const folder of ["tests", "drizzle2"]) {
    await remove(join(scratch, folder));
  }
  await run("git", [
    `--git-dir=${gitDirectory}`,
    "archive",
    `--output=${archive}`,
    `${revision}:integration-tests`,
    ...SOURCES,
  ]);
  await run("tar", ["-xf", archive, "-C", scratch]);
  const files = {
    "package.json": PACKAGE_JSON,
    "vitest.config.ts": VITEST_CONFIG,
    "session_driver.ts": SESSION_DRIVER,
    "session_hooks.ts": SESSION_HOOKS,
    "dockerode.ts": "export default undefined;\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(scratch, name), text);
  }
  await run("npm", ["install", "--no-audit", "--no-fund", "--silent"], {
    cwd: scratch,
  });
}

/** The head if it is of the minor version that we use, else its newest tag. */
async function revisionOf(gitDirectory: string): Promise<string> {
  const git = `--git-dir=${gitDirectory}`;
  const minor = versionOf("drizzle-orm").replace(/\d+$/, "");
  const head = JSON.parse(
    await run("git", [git, "show", "HEAD:drizzle-orm/package.json"]),
  );
  if (head.version.startsWith(minor)) return "HEAD";
  const tags = await run("git", [
    git,
    "tag",
    "--list",
    "--sort=-version:refname",
    `${minor}*`,
  ]);
  const [tag = ""] = tags.split("\n");
  if (tag === "") throw new Error(`No tag ${minor}* in ${gitDirectory}`);
  return tag;
}

/** Runs the tests once. A failed test is part of the report, not an error. */
async function runMode(scratch: string, mode: Mode): Promise<Report> {
  // The tests expect UTC from `show timezone`.
  await using database = await testDatabase({
    setup: `do $$ begin
      execute format('alter database %I set timezone to utc', current_database());
    end $$`,
  });
  const file = join(scratch, `${mode}.json`);
  await remove(file);
  const { stdout, stderr } = await new Deno.Command("npx", {
    args: ["vitest", "run", "--reporter=json", `--outputFile=${file}`],
    cwd: scratch,
    env: {
      NULLPOOL_MODE: mode,
      PG_CONNECTION_STRING: database.url,
      TZ: "UTC",
    },
  }).output();
  if (await exists(file)) return JSON.parse(await Deno.readTextFile(file));
  throw new Error(`vitest made no report:\n${decode(stdout)}${decode(stderr)}`);
}

function printReport(mode: Mode, report: Report): void {
  for (const file of report.testResults) {
    // A file that could not be loaded has no tests, only a message.
    if (file.message !== "") console.log(`${file.name}: ${file.message}\n`);
    for (const test of file.assertionResults) {
      if (test.status !== "failed") continue;
      console.log(`FAILED (${mode}) ${test.fullName.trim()}`);
      console.log(`${test.failureMessages.join("\n")}\n`);
    }
  }
  console.log(
    `${mode}: ${report.numPassedTests} passed, ${report.numFailedTests} failed`,
  );
}

function isMode(text: string): text is Mode {
  return MODES.some((mode) => mode === text);
}

/** The version of a package in the import map. */
function versionOf(name: "drizzle-orm" | "pg"): string {
  return config.imports[name].split("@").at(-1) ?? "";
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function remove(path: string): Promise<void> {
  if (await exists(path)) await Deno.remove(path, { recursive: true });
}

/** Runs a program and returns what it prints. */
async function run(
  program: string,
  args: string[],
  options: { readonly cwd?: string } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    ...options,
  }).output();
  if (!success) throw new Error(`${program} failed: ${decode(stderr)}`);
  return decode(stdout);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

await main(Deno.args);
