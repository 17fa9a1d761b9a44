import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { ProgressBar } from "../../examples/script/progress_bar.ts";
import { type Outcome, runProgram } from "../support/node.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import { startProgram } from "../support/running_program.ts";

const SCRIPTS = join(
  dirname(dirname(import.meta.dirname ?? "")),
  "examples/script",
);

/** An import of a file of its own into a database of its own. */
class Import implements AsyncDisposable {
  readonly database: TestDatabase;
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;

  constructor(database: TestDatabase, file: string) {
    this.database = database;
    this.file = file;
    this.args = ["run", "-A", join(SCRIPTS, "import.ts"), file];
    this.env = { DATABASE_URL: database.url };
  }

  /** With as many lines in the file. */
  static async of(lines: number): Promise<Import> {
    const sample = await runProgram(Deno.execPath(), [
      "run",
      "-A",
      join(SCRIPTS, "sample.ts"),
      String(lines),
    ]);
    const file = await Deno.makeTempFile({ suffix: ".csv" });
    await Deno.writeTextFile(file, sample.output);
    return new Import(await testDatabase(), file);
  }

  /** Runs to its end. */
  run(): Promise<Outcome> {
    return runProgram(Deno.execPath(), this.args, { env: this.env });
  }

  /** Counts what is in the database. */
  async rows(): Promise<number> {
    const [row] = await this.database.query(
      "select count(*)::int as n from readings",
    );
    return Number(row?.n);
  }

  /** Counts the batches that wait for a lock. */
  async waiting(): Promise<number> {
    const [row] = await this.database.query(
      `select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return Number(row?.n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.file);
    await this.database.drop();
  }
}

Deno.test("the import imports a file once, however often it runs", async () => {
  await using work = await Import.of(5_200);
  assertEquals(await work.run(), {
    code: 0,
    output: "5200 lines imported, 0 were known\n",
  });
  assertEquals(await work.rows(), 5_200);
  assertEquals(await work.run(), {
    code: 0,
    output: "0 lines imported, 5200 were known\n",
  });
  // More lines were written since: the last batch is another one now.
  await Deno.writeTextFile(work.file, "late,2026-02-01T00:00:00Z,1\n", {
    append: true,
  });
  assertEquals(await work.run(), {
    code: 0,
    output: "201 lines imported, 5000 were known\n",
  });
  assertEquals(await work.rows(), 5_201);
});

Deno.test("the import names a wrong line, and goes on when it was mended", async () => {
  await using work = await Import.of(4_000);
  const text = await Deno.readTextFile(work.file);
  const lines = text.split("\n");
  await Deno.writeTextFile(
    work.file,
    lines.with(3_210, "sensor,x,1").join("\n"),
  );

  const { code, output } = await work.run();
  const [, committed] = /^(\d+) lines imported.* run it again/m.exec(output) ??
    [];
  assertEquals(code, 1);
  assert(
    output.includes('Line 3211 is not "sensor,time,number": sensor,x,1\n'),
    output,
  );
  // Whole batches, and what was said is what is there.
  assertEquals(await work.rows(), Number(committed));
  assertEquals(Number(committed) % 500, 0);

  await Deno.writeTextFile(work.file, text);
  assertEquals((await work.run()).code, 0);
  assertEquals(await work.rows(), 4_000);
});

Deno.test("the import has four batches at once, and ends at Ctrl+C", async () => {
  await using work = await Import.of(8_000);
  const { database } = work;
  // Its tables are there, and somebody holds one of them.
  assertEquals((await work.run()).code, 0);
  await database.query("truncate readings, imported_batches");
  await using engine = createEngine(postgres(database.url));
  await using db = sessionmaker(engine)();
  await db.execute("lock table readings in share mode");

  const running = await startProgram(Deno.execPath(), work.args, {
    env: work.env,
    ready: /^/,
  });
  await database.waitFor(async () => await work.waiting() === 4);
  // The holder's, and one for each batch.
  assertEquals(await database.connections(), 5);
  assertEquals(await running.stop("SIGINT"), 130);
  assertEquals(
    running.output,
    "0 lines imported, 0 were known; run it again to go on\n",
  );
  // Cancelled on the server, not just left.
  await database.waitFor(async () => await database.connections() === 1);
  await db.rollback();
  assertEquals((await work.run()).code, 0);
  assertEquals(await work.rows(), 8_000);
});

Deno.test("the import's progress bar", () => {
  const written: string[] = [];
  const terminal = {
    isTTY: true,
    columns: 31,
    write: (text: string) => written.push(text),
  };
  const bar = new ProgressBar(terminal);
  bar.draw(0, "0 lines");
  bar.draw(0.5, "5 lines");
  bar.draw(0.5, "5 lines");
  bar.draw(1, "9 lines");
  bar.end();
  bar.end();
  assertEquals(written, [
    "\r[-------------]  0 %  0 lines",
    "\r[#######------] 50 %  5 lines",
    "\r[#############]100 %  9 lines",
    "\n",
  ]);

  const none = new ProgressBar({ ...terminal, isTTY: false });
  none.draw(0.5, "5 lines");
  none.end();
  assertEquals(written.length, 4);
});
