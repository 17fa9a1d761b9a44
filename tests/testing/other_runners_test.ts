import { assert, assertEquals } from "@std/assert";
import { bundleNode } from "../support/bundle_node.ts";
import { hasNode } from "../support/node.ts";
import { testDatabase } from "../support/postgres.ts";

/** The lines of a report that say what became of each test. */
function outcomes(report: string): string[] {
  return report.split("\n")
    .map((line) => line.trim())
    .filter((line) => /^(not )?ok \d+ - /.test(line))
    .toSorted();
}

Deno.test({
  name: "withRollback() runs under node:test",
  // Deno alone is enough for all other tests.
  ignore: !await hasNode(),
  async fn() {
    await using database = await testDatabase({
      setup: "create table notes (id int primary key)",
    });
    const file = await Deno.makeTempFile({ suffix: ".mjs" });
    try {
      await bundleNode("tests/testing/other_runners_suite.ts", file);
      const { code, stdout } = await new Deno.Command("node", {
        args: ["--test", "--test-reporter=tap", file],
        env: { DATABASE_URL: database.url, NODE_OPTIONS: "" },
      }).output();
      const report = new TextDecoder().decode(stdout);
      assertEquals(outcomes(report), [
        "not ok 2 - a note is missed",
        "ok 1 - a note is kept",
        "ok 1 - note 1",
        "ok 2 - note 2",
        "ok 3 - note 3",
        "ok 3 - notes are added side by side",
      ], report);
      // It fails with what the test itself has thrown.
      assert(report.includes("ERR_ASSERTION"), report);
      assertEquals(code, 1);
    } finally {
      await Deno.remove(file);
    }
    assertEquals(await database.query("select * from notes"), []);
    assertEquals(await database.connections(), 0);
    const sent = await database.log();
    const count = (text: string) => sent.filter((each) => each === text).length;
    assertEquals([count("commit"), count("rollback")], [0, 5]);
  },
});
