import { assertEquals, assertMatch } from "@std/assert";
import { Miniflare } from "miniflare";
import { bundleWorker } from "../support/bundle_worker.ts";

/** Miniflare keeps ports and timers of its own until it is disposed. */
const unsanitized = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "scopedSession needs a compatibility flag on workerd",
  unsanitized,
  async () => {
    const contents = await bundleWorker(
      "tests/scoped/async_context_worker.ts",
      {
        tcp: false,
      },
    );
    async function answer(compatibilityFlags: string[]): Promise<string> {
      const miniflare = new Miniflare({
        modules: [{ type: "ESModule", path: "worker.js", contents }],
        compatibilityDate: "2026-04-01",
        compatibilityFlags,
        cf: false,
      });
      try {
        return await (await fetch(await miniflare.ready)).text();
      } finally {
        await miniflare.dispose();
      }
    }
    assertMatch(await answer([]), /^NO_ASYNC_CONTEXT: .*"nodejs_compat"/);
    assertEquals(await answer(["nodejs_compat"]), "told apart");
  },
);
