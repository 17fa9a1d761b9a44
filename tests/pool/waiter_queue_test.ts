import { assertEquals, assertRejects } from "@std/assert";
import { WaiterQueue, type WaitOptions } from "../../src/pool/waiter_queue.ts";

const FOR_EVER: WaitOptions = { timeout: 0, onTimeout: () => new Error() };

Deno.test("WaiterQueue serves in order of arrival", async () => {
  const queue = new WaiterQueue<number>();
  const order: number[] = [];
  const waits = [1, 2, 3].map((n) =>
    queue.wait(n, FOR_EVER).then(() => order.push(n))
  );
  assertEquals([...queue.items()], [1, 2, 3]);
  assertEquals(queue.serveNext(), 1);
  assertEquals(queue.serveNext(), 2);
  assertEquals(queue.serveNext(), 3);
  assertEquals(queue.serveNext(), undefined);
  await Promise.all(waits);
  assertEquals(order, [1, 2, 3]);
});

Deno.test("WaiterQueue passes over one that gave up in the same turn", async () => {
  const queue = new WaiterQueue<string>();
  const abort = new AbortController();
  const given = queue.wait("given up", { ...FOR_EVER, signal: abort.signal });
  const next = queue.wait("next", FOR_EVER);
  abort.abort(new Error("gone"));
  assertEquals(queue.serveNext(), "next");
  await assertRejects(() => given, Error, "gone");
  await next;
});

Deno.test("WaiterQueue one served stays served when it is aborted", async () => {
  const queue = new WaiterQueue<string>();
  const abort = new AbortController();
  const wait = queue.wait("one", { ...FOR_EVER, signal: abort.signal });
  assertEquals(queue.serveNext(), "one");
  abort.abort();
  await wait;
});

Deno.test("WaiterQueue one that times out leaves the others alone", async () => {
  const queue = new WaiterQueue<string>();
  const late = queue.wait("late", {
    timeout: 5,
    onTimeout: () => new Error("too late"),
  });
  const patient = queue.wait("patient", { ...FOR_EVER, timeout: 60_000 });
  await assertRejects(() => late, Error, "too late");
  assertEquals(queue.serveNext(), "patient");
  await patient;
});

Deno.test("WaiterQueue.refuseAll() makes an error for each", async () => {
  const queue = new WaiterQueue<number>();
  const waits = [1, 2].map((n) => queue.wait(n, FOR_EVER));
  let made = 0;
  queue.refuseAll(() => new Error(`refused ${++made}`));
  assertEquals(queue.size, 0);
  const outcomes = await Promise.allSettled(waits);
  assertEquals(
    outcomes.map((outcome) =>
      outcome.status === "rejected" && outcome.reason.message
    ),
    ["refused 1", "refused 2"],
  );
});
