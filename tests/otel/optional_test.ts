import { assert, assertEquals } from "@std/assert";
import { entryPoints, runDeno } from "../../.ci/project.ts";

interface Graph {
  readonly modules: readonly { readonly specifier: string }[];
}

Deno.test("@opentelemetry/api is loaded by /otel alone", async () => {
  for (const [name, file] of await entryPoints()) {
    const { success, stdout, stderr } = await runDeno("info", "--json", file);
    assert(success, stderr);
    const { modules }: Graph = JSON.parse(stdout);
    const isLoaded = modules.some(({ specifier }) =>
      specifier.includes("@opentelemetry/") || specifier.includes("/src/otel/")
    );
    assertEquals([name, isLoaded], [name, name === "./otel"]);
  }
});
