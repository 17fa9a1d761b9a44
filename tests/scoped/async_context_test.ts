import { assertEquals, assertMatch } from "@std/assert";
import { bundleWorker } from "../support/bundle_worker.ts";
import { aroundTests, startWorkerd } from "../support/workerd.ts";

function workerWith(compatibilityFlags: readonly string[]) {
  return aroundTests(async () =>
    await startWorkerd(
      await bundleWorker("tests/scoped/async_context_worker.ts", {
        tcp: false,
      }),
      { compatibilityFlags },
    )
  );
}

const bare = workerWith([]);
const flagged = workerWith(["nodejs_compat"]);

Deno.test("scopedSession needs a compatibility flag on workerd", async () => {
  const refusal = await (await bare().fetch("/")).text();
  assertMatch(refusal, /^NO_ASYNC_CONTEXT: .*"nodejs_compat"/);
  assertEquals(await (await flagged().fetch("/")).text(), "told apart");
});

Deno.test("dbSession needs no flag on workerd for a session per request", async () => {
  assertEquals(await (await bare().fetch("/request")).text(), "active");
});
