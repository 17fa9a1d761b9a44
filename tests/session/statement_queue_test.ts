import { assert, assertEquals, assertIsError } from "@std/assert";
import { StaleDataError, StateError } from "../../mod.ts";
import { StatementQueue } from "../../src/session/_statement_queue.ts";

Deno.test("Batch.settle() of a request without a single result tells which statement failed", async () => {
  const queue = new StatementQueue();
  const answers = ["insert", "update", "delete"].map((text) =>
    queue.add({ text, params: [], rowMode: "object", access: "write" })
  );
  const failure = new StaleDataError("stale", { table: "t", found: 0 });
  queue.take().settle({ results: [], failure, failedAt: 1 });
  const outcomes = await Promise.allSettled(answers);
  const errors = outcomes.map((outcome) => {
    assert(outcome.status === "rejected");
    return outcome.reason;
  });
  // The others were undone with it.
  for (const error of [errors[0], errors[2]]) {
    assertIsError(error, StateError);
    assertEquals(error.code, "TRANSACTION_FAILED");
    assertEquals(error.cause, failure);
  }
  assertEquals(errors[1], failure);
});
