import { assertEquals } from "@std/assert";
import { bundleWorker } from "../support/bundle_worker.ts";
import { aroundTests, startWorkerd } from "../support/workerd.ts";

const worker = aroundTests(async () =>
  await startWorkerd(
    await bundleWorker("tests/pool/queue_pool_worker.ts", { tcp: false }),
  )
);

Deno.test("QueuePool is refused on workerd", async () => {
  const response = await worker().fetch("/");
  assertEquals(await response.text(), "POOL_UNSUPPORTED");
});
