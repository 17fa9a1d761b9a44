import { assert, assertEquals } from "@std/assert";
import { bundleNode } from "../support/bundle_node.ts";

Deno.test({
  name: "instrument() runs on Node with its SDK",
  // Deno alone is enough for all other tests.
  ignore: !await hasNode(),
  async fn() {
    const file = await Deno.makeTempFile({ suffix: ".mjs" });
    try {
      await bundleNode("tests/otel/node_app.ts", file);
      const { success, stdout, stderr } = await new Deno.Command("node", {
        args: [file],
        env: { NODE_OPTIONS: "" },
      }).output();
      const decoder = new TextDecoder();
      assert(success, decoder.decode(stderr));
      const { chains } = JSON.parse(decoder.decode(stdout));
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

async function hasNode(): Promise<boolean> {
  try {
    return (await new Deno.Command("node", { args: ["--version"] }).output())
      .success;
  } catch {
    return false;
  }
}
