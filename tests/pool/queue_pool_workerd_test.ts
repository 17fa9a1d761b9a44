import { assertEquals } from "@std/assert";
import { Miniflare } from "miniflare";
import { bundleWorker } from "../support/bundle_worker.ts";

/** Miniflare keeps ports and timers of its own until it is disposed. */
const unsanitized = { sanitizeOps: false, sanitizeResources: false };

Deno.test("QueuePool is refused on workerd", unsanitized, async () => {
  const contents = await bundleWorker("tests/pool/queue_pool_worker.ts", {
    tcp: false,
  });
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents }],
    compatibilityDate: "2026-04-01",
    cf: false,
  });
  try {
    const response = await fetch(await miniflare.ready);
    assertEquals(await response.text(), "POOL_UNSUPPORTED");
  } finally {
    await miniflare.dispose();
  }
});
