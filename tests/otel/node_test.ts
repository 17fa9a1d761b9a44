import { assertEquals } from "@std/assert";
import { bundleNode } from "../support/bundle_node.ts";
import { hasNode, runProgram } from "../support/node.ts";

Deno.test({
  name: "instrument() runs on Node with its SDK",
  // Deno alone is enough for all other tests.
  ignore: !await hasNode(),
  async fn() {
    const file = await Deno.makeTempFile({ suffix: ".mjs" });
    try {
      await bundleNode("tests/otel/node_app.ts", file);
      const { code, output } = await runProgram("node", [file]);
      assertEquals(code, 0, output);
      const { chains } = JSON.parse(output);
      const above = "database transaction < database session";
      assertEquals(
        chains,
        [1, 2, 3].flatMap((n) => [
          `own${n} < insert things < ${above} < work ${n}`,
          `own${n} < select < ${above} < work ${n}`,
        ]),
      );
    } finally {
      await Deno.remove(file);
    }
  },
});
