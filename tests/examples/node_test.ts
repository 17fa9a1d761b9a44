import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { exampleProject } from "../support/example_project.ts";
import { hasNode } from "../support/node.ts";
import { testDatabase } from "../support/postgres.ts";
import { startProgram } from "../support/running_program.ts";

Deno.test({
  name: "the example for Node, under Node",
  ignore: !(await hasNode()),
  fn: async (t) => {
    await using project = await exampleProject("node", [
      "drizzle-kit",
      "typescript",
    ]);
    await using database = await testDatabase();
    const env = { DATABASE_URL: database.url, PORT: "0" };
    const migrated = await project.run(...project.script("migrate"), { env });
    assertEquals(migrated.code, 0, migrated.output);
    await using app = await startProgram(...project.script("start"), {
      cwd: project.directory,
      env,
      ready: /^Accounts: (http:\S+)$/m,
    });
    const [url] = app.groups;

    async function post(path: string, body: unknown): Promise<number> {
      const response = await fetch(url + path, {
        method: "POST",
        body: JSON.stringify(body),
      });
      await response.body?.cancel();
      return response.status;
    }

    async function get(path: string) {
      return await (await fetch(url + path)).json();
    }

    await t.step("moves money, and not more than there is", async () => {
      assertEquals(
        await post("/accounts", { owner: "Ada", balance: 100 }),
        201,
      );
      assertEquals(await post("/accounts", { owner: "Grace" }), 201);
      const transfer = { fromId: 1, toId: 2, amount: 10 };
      const answers = await Promise.all(
        Array.from({ length: 14 }, () => post("/transfers", transfer)),
      );
      // Some lost a race ten times over and are asked to come again.
      const done = answers.filter((status) => status === 201).length;
      assert(done > 0 && done <= 10, String(answers));
      assert(answers.every((status) => [201, 409, 503].includes(status)));
      const [ada, grace] = [await get("/accounts/1"), await get("/accounts/2")];
      assertEquals([ada.balance, grace.balance], [
        100 - 10 * done,
        10 * done,
      ]);
      assertEquals(
        await post("/transfers", { ...transfer, amount: 1_000 }),
        409,
      );
      assertEquals(await post("/transfers", { ...transfer, toId: 1 }), 422);
      assertEquals(await post("/transfers", { ...transfer, toId: 9 }), 422);
    });

    await t.step("keeps its connections, five at the most", async () => {
      const { idle, checkedOut } = await get("/health");
      assertEquals(checkedOut, 0);
      assert(idle > 0 && idle <= 5, `${idle} idle`);
      assertEquals(await database.connections(), idle);
    });

    await t.step("SIGTERM answers what is under way", async () => {
      await using engine = createEngine(postgres(database.url));
      await using db = sessionmaker(engine)();
      await db.execute("lock table accounts");
      const answer = fetch(`${url}/accounts/1`);
      await database.waitFor(async () => {
        const waiting = await database.query(
          `select 1 from pg_stat_activity where wait_event_type = 'Lock'
            and datname = current_database()`,
        );
        return waiting.length === 1;
      });
      const stopped = app.stop("SIGTERM");
      // It takes no more, and still has the request.
      await database.waitFor(() =>
        fetch(`${url}/health`).then(
          async (response) => {
            await response.body?.cancel();
            return false;
          },
          () => true,
        )
      );
      await db.rollback();
      const response = await answer;
      assertEquals([response.status, (await response.json()).owner], [
        200,
        "Ada",
      ]);
      assertEquals(await stopped, 0);
      await assertRejects(() => fetch(`${url}/health`));
      await engine.dispose();
      await database.waitFor(async () => await database.connections() === 0);
    });
  },
});
