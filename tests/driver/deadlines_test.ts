import { assert, assertEquals } from "@std/assert";
import { Deadlines } from "../../src/driver/deadlines.ts";

/** Calls back when something was not heard for a time. */
function nothing(): void {}

/** Runs with another `AbortSignal.timeout`, and tells how often it was called. */
function countTimers(
  run: () => void,
  make: (delay: number) => AbortSignal = AbortSignal.timeout,
): number {
  const own = AbortSignal.timeout;
  let count = 0;
  AbortSignal.timeout = (delay) => {
    count++;
    return make.call(AbortSignal, delay);
  };
  try {
    run();
  } finally {
    AbortSignal.timeout = own;
  }
  return count;
}

Deno.test("a deadline that shares a timer fires, also some looks later", async () => {
  const deadlines = new Deadlines(1);
  const fired: string[] = [];
  const own = performance.now;
  let now = 0;
  performance.now = () => now;
  try {
    const heard = deadlines.share(20, () => fired.push("heard"));
    deadlines.share(20, () => fired.push("ended")).clear();
    const { promise, resolve } = Promise.withResolvers<void>();
    deadlines.share(30, () => {
      fired.push("late");
      other.clear();
      resolve();
    });
    const other = deadlines.share(30, () => fired.push("ended meanwhile"));
    for (now = 1; now < 30; now++) {
      if (now === 15) heard.heard();
      await nextLook();
      assertEquals(fired, []);
    }
    await promise;
    assertEquals(fired, ["late"]);
    heard.clear();
  } finally {
    performance.now = own;
  }
});

/** Settles when signals of one millisecond have fired. */
function nextLook(): Promise<void> {
  return new Promise((resolve) =>
    AbortSignal.timeout(2).addEventListener("abort", () => resolve())
  );
}

Deno.test("long deadlines share one timer, which is no leak", () => {
  const deadlines = new Deadlines();
  const timers = countTimers(() => {
    for (let at = 0; at < 100; at++) {
      const outer = deadlines.start(30_000, nothing);
      deadlines.start(10_000, nothing).clear();
      outer.clear();
    }
  });
  assertEquals(timers, 1);
});

Deno.test("short deadlines, and those of a Worker, have timers of their own", () => {
  const host = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const deadlines = new Deadlines();
  const value = { userAgent: "Cloudflare-Workers" };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true });
  const ofWorker = new Deadlines();
  Object.defineProperty(globalThis, "navigator", host ?? {});
  const timers = countTimers(() => {
    deadlines.start(9_999, nothing).clear();
    deadlines.start(0, nothing).clear();
    ofWorker.start(30_000, nothing).clear();
  });
  assertEquals(timers, 0);
});

Deno.test("a shared timer that its host has dropped is replaced", async () => {
  const deadlines = new Deadlines(1);
  countTimers(
    () => deadlines.share(1, nothing),
    () => new AbortController().signal,
  );
  const start = performance.now();
  while (performance.now() < start + 3);
  await new Promise<void>((resolve) => deadlines.share(1, resolve));
});

Deno.test("a process ends while a shared timer runs that nobody waits for", async () => {
  const program = `
    import { Deadlines } from "${
    import.meta.resolve("../../src/driver/deadlines.ts")
  }";
    new Deadlines(600_000).share(600_000, () => {}).clear();
  `;
  const url = `data:text/typescript,${encodeURIComponent(program)}`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-lock", "--allow-all", url],
    signal: AbortSignal.timeout(20_000),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
});
