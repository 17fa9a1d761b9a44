import { neon } from "@neondatabase/serverless";
import { assertEquals, assertRejects } from "@std/assert";
import { StateError } from "../../mod.ts";
import { serveNeon } from "../../src/dev/mod.ts";

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
      await neon(server.url)`create table kept as select 7 as n`;
      await assertRejects(
        () => serveNeon({ backend, port: 0 }),
        StateError,
        "Cannot open the data directory",
      );
    }
    await using server = await serveNeon({ backend, port: 0 });
    assertEquals(await neon(server.url)`select n from kept`, [{ n: 7 }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
