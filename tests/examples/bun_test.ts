import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { exampleProject } from "../support/example_project.ts";
import { hasNode } from "../support/node.ts";
import { testDatabase } from "../support/postgres.ts";
import { startProgram } from "../support/running_program.ts";

Deno.test({
  name: "the example for Bun, under Bun",
  ignore: !(await hasNode()),
  fn: async (t) => {
    await using project = await exampleProject("bun", [
      "@types/bun",
      "drizzle-kit",
      "typescript",
    ]);
    // Its script, which `npm install` runs unless it is told not to.
    await project.run("node", ["node_modules/bun/install.js"]);
    await using database = await testDatabase();
    const [program, args] = project.script("start");
    await using app = await startProgram(
      join(project.directory, "node_modules/.bin", program),
      args,
      {
        cwd: project.directory,
        env: { DATABASE_URL: database.url, PORT: "0" },
        ready: /^Links: (http:\S+)$/m,
      },
    );
    const [url] = app.groups;

    async function put(slug: string, body: string): Promise<number> {
      const response = await fetch(`${url}/${slug}`, { method: "PUT", body });
      await response.body?.cancel();
      return response.status;
    }

    await t.step("keeps links", async () => {
      assertEquals(await put("drizzle", "https://orm.drizzle.team"), 201);
      assertEquals(await put("drizzle", "https://example.com"), 409);
      assertEquals(await put("mail", "mailto:me@example.com"), 422);
      assertEquals(await put("Shout", "https://example.com"), 404);
    });

    await t.step("follows them, and counts behind the answer", async () => {
      const answers = await Promise.all(
        Array.from(
          { length: 20 },
          () => fetch(`${url}/drizzle`, { redirect: "manual" }),
        ),
      );
      for (const { status, headers, body } of answers) {
        await body?.cancel();
        assertEquals(
          [status, headers.get("location")],
          [302, "https://orm.drizzle.team"],
        );
      }
      await database.waitFor(async () =>
        await (await fetch(`${url}/drizzle/visits`)).json() === 20
      );
      const unknown = await fetch(`${url}/unknown`);
      await unknown.body?.cancel();
      assertEquals(unknown.status, 404);
    });

    await t.step("goes on where the count behind an answer fails", async () => {
      await database.query(
        "alter table visits add constraint refusing check (false) not valid",
      );
      const followed = await fetch(`${url}/drizzle`, { redirect: "manual" });
      await followed.body?.cancel();
      await app.wrote(/refusing/);
      await database.query("alter table visits drop constraint refusing");
      const { status, body } = await fetch(`${url}/drizzle/visits`);
      await body?.cancel();
      assertEquals(status, 200);
    });

    await t.step("SIGTERM waits for what is behind an answer", async () => {
      await database.query("begin; lock table visits in exclusive mode");
      const followed = await fetch(`${url}/drizzle`, { redirect: "manual" });
      await followed.body?.cancel();
      const stopped = app.stop("SIGTERM");
      await database.waitFor(() =>
        fetch(`${url}/drizzle/visits`).then(
          async (response) => {
            await response.body?.cancel();
            return false;
          },
          () => true,
        )
      );
      // It does not end meanwhile.
      const meanwhile = database.query("select pg_sleep(0.3)");
      assertEquals(typeof await Promise.race([stopped, meanwhile]), "object");
      await database.query("commit");
      assertEquals(await stopped, 0);
      assertEquals(
        await database.query("select count(*)::int from visits"),
        [{ count: 21 }],
      );
      await database.waitFor(async () => await database.connections() === 0);
    });
  },
});
