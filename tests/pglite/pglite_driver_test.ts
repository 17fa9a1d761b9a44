import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  ConnectionError,
  createEngine,
  type Engine,
  sessionmaker,
  StateError,
} from "../../mod.ts";
import type { Statement } from "../../src/driver/statement.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { testPGlite } from "../support/pglite.ts";

function run(engine: Engine, text: string): Promise<unknown> {
  return sessionmaker(engine).begin((db) => db.execute(text))
    .then(({ rows }) => rows);
}

Deno.test("pglite() keeps a data directory to one process", async () => {
  const folder = await Deno.makeTempDir();
  const directory = `${folder}/nested/data`;
  try {
    const first = createEngine(pglite(directory));
    await run(first, "create table t as select 1 as id");
    const second = createEngine(pglite(directory));
    const error = await assertRejects(
      () => run(second, "select 1"),
      StateError,
    );
    assertEquals(error.code, "DATABASE_IN_USE");
    assert(error.message.includes(`process ${Deno.pid}`), error.message);
    assert(error.message.includes(directory), error.message);
    await first.dispose();
    // What was refused works as soon as the directory is free.
    assertEquals(await run(second, "select * from t"), [{ id: 1 }]);
    await second.dispose();
    // A process that is gone leaves a lock behind.
    await Deno.writeTextFile(
      `${directory}.lock`,
      JSON.stringify({ pid: 2 ** 22 + 1, since: 0 }),
    );
    await using third = createEngine(pglite(directory));
    assertEquals(await run(third, "select * from t"), [{ id: 1 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("pglite() lets one of many processes in", async () => {
  const folder = await Deno.makeTempDir();
  const lock = `${folder}/data.lock`;
  const module = import.meta.resolve("../../src/pglite/directory_lock.ts");
  // Holds the directory until it is told to stop, as a process does.
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(module)});
    const answer = await lockDirectory(${JSON.stringify(`${folder}/data`)})
      .then(() => "in", (error) => error.code);
    await Deno.stdout.write(new TextEncoder().encode(answer));
    await Deno.stdin.read(new Uint8Array(1));
  `;

  async function contest(): Promise<string[]> {
    const processes = Array.from(
      { length: 6 },
      () =>
        new Deno.Command(Deno.execPath(), {
          args: ["eval", program],
          stdin: "piped",
          stdout: "piped",
          stderr: "null",
        }).spawn(),
    );
    const answers = await Promise.all(processes.map(async ({ stdout }) => {
      const reader = stdout.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return new TextDecoder().decode(value);
    }));
    await Promise.all(processes.map(async ({ stdin, status }) => {
      await stdin.close();
      await status;
    }));
    return answers.toSorted();
  }
  const one = [...Array(5).fill("DATABASE_IN_USE"), "in"];
  try {
    assertEquals(await contest(), one);
    // The winner ended without a word, so its lock is stale now.
    assertEquals(await contest(), one);
    await Deno.writeTextFile(lock, "rubbish");
    assertEquals(await contest(), one);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("pglite() leaves an instance that it was given open", async () => {
  await using lite = await testPGlite();
  const engine = createEngine(pglite(lite));
  await run(engine, "create table t as select 1 as id");
  await engine.dispose();
  assertEquals((await lite.query("select * from t")).rows, [{ id: 1 }]);
});

Deno.test("pglite() never deadlocks inside a transaction", async () => {
  await using lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  const Session = sessionmaker(engine);
  await Session.begin(async (db) => {
    await db.execute("create table t (id int)");
    await db.transaction((tx) => tx.execute("insert into t values (1)"));
    await Promise.all(
      [1, 2, 3].map((n) => db.execute(`insert into t values (${n})`)),
    );
  });
  // One holder at a time: the others wait, none sees half of another's work.
  const counts = await Promise.all(
    Array.from({ length: 20 }, () =>
      Session.begin(async (db) => {
        await db.execute("insert into t values (9)");
        const { rows } = await db.execute("select count(*)::int as n from t");
        return Number(rows[0]?.n);
      })),
  );
  assertEquals(counts, Array.from({ length: 20 }, (_, at) => 5 + at));
});

Deno.test("pglite() a database that was closed is told, not hung", async () => {
  const lite = await testPGlite();
  await using engine = createEngine(pglite(lite));
  await run(engine, "select 1");
  await lite.close();
  await assertRejects(() => run(engine, "select 1"), ConnectionError);
});

/** A COPY that nothing has recognised, which ends PGlite itself. */
function missedCopy(): Statement {
  const looks = ["select 1"];
  return {
    get text() {
      return looks.pop() ?? "copy pg_class from stdin";
    },
    params: [],
    rowMode: "none",
    access: "write",
  };
}

Deno.test("pglite() a database that has failed is not asked again: it would not come back", async () => {
  await using lite = await testPGlite();
  for (const driver of [pglite(lite), pglite()]) {
    const connection = await driver.connect();
    const { failure } = await connection.send([missedCopy()]);
    assert(failure !== undefined);
    assertFalse(connection.usable);
    await connection.close();
    await using engine = createEngine(driver);
    const error = await assertRejects(
      () => run(engine, "select 1"),
      ConnectionError,
      "failed before",
    );
    assertEquals([error.code, error.maybeExecuted], ["CONNECT_FAILED", false]);
  }
});

Deno.test("pglite() opens a database anew once one that has failed is disposed of", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const driver = pglite(`${folder}/data`);
    const first = createEngine(driver);
    await run(first, "create table t as select 1 as id");
    await (await driver.connect()).send([missedCopy()]);
    await assertRejects(() => driver.connect(), ConnectionError);
    await first.dispose();
    await using second = createEngine(driver);
    assertEquals(await run(second, "select * from t"), [{ id: 1 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("pglite() refuses what is neither directory nor instance", () => {
  for (const source of [null, 5, {}]) {
    // @ts-expect-error: the type refuses it as well
    assertThrows(() => pglite(source), TypeError, "PGlite instance");
  }
});
