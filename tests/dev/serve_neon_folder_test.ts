import { createEngine, sessionmaker, StateError } from "@nullpool/db";
import { serveNeon } from "@nullpool/db/dev";
import { neonWebSocket } from "@nullpool/db/neon";
import { assertEquals, assertRejects } from "@std/assert";

/** Runs a statement and commits it. */
async function run(url: string, text: string) {
  await using engine = createEngine(neonWebSocket(url));
  const { rows } = await sessionmaker(engine).begin((db) => db.execute(text));
  await engine.idle();
  return rows;
}

Deno.test("serveNeon() opens PGlite in a folder, for itself alone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "neon-" });
  const backend = `file://${folder}/some/data`;
  try {
    {
      using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = taken.addr;
      await assertRejects(
        () => serveNeon({ backend, port }),
        Error,
        "EADDRINUSE",
      );
    }
    {
      // Which has let go of the folder.
      await using server = await serveNeon({ backend, port: 0 });
      await run(server.url, "create table kept as select 7 as n");
      await assertRejects(
        () => serveNeon({ backend, port: 0 }),
        StateError,
        "Cannot open the data directory",
      );
    }
    await using server = await serveNeon({ backend, port: 0 });
    assertEquals(await run(server.url, "select n from kept"), [{ n: 7 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
