import { assertEquals, assertRejects } from "@std/assert";
import { orGivenUp } from "../../src/driver/give_up.ts";

const never = new Promise<string>(() => {});

Deno.test("orGivenUp() is what the work is", async () => {
  const signal = new AbortController().signal;
  const patience = { signal, timeout: 60_000 };
  assertEquals(await orGivenUp(Promise.resolve("done"), patience), "done");
  const failing = Promise.reject(new Error("of the work"));
  await assertRejects(() => orGivenUp(failing, patience), Error, "of the work");
});

Deno.test("orGivenUp() ends with the signal, fired before or meanwhile", async () => {
  const reason = new Error("enough");
  const waits = () => orGivenUp(never, { signal: controller.signal });
  const controller = new AbortController();
  const waiting = assertRejects(waits, Error, "enough");
  controller.abort(reason);
  await waiting;
  await assertRejects(waits, Error, "enough");
});

Deno.test("orGivenUp() ends with the timeout", async () => {
  await assertRejects(() => orGivenUp(never, { timeout: 1 }), Error, "1 ms");
  const onTimeout = () => new RangeError("too long");
  await assertRejects(
    () => orGivenUp(never, { timeout: 1, onTimeout }),
    RangeError,
    "too long",
  );
});
