import { assertEquals } from "@std/assert";
import { Clock } from "../../src/otel/_clock.ts";

/** Two clocks, and how far they stand, in milliseconds. */
function clockBed() {
  const times = { wall: 5_000_000, monotonic: 0 };
  const clock = new Clock(() => times.wall, () => times.monotonic, 5_000_000);
  return {
    now: () => clock.offset() + times.monotonic,
    pass(wall: number, monotonic = wall): void {
      times.wall += wall;
      times.monotonic += monotonic;
    },
  };
}

Deno.test("times go by the monotonic clock where both agree", () => {
  const { now, pass } = clockBed();
  pass(1000, 1000.75);
  assertEquals(now(), 5_001_000.75);
  pass(1000, 998.5);
  assertEquals(now(), 5_001_999.25);
});

Deno.test("a computer that has slept has the time of the other clock, set once", () => {
  const { now, pass } = clockBed();
  pass(60_000, 10);
  assertEquals(now(), 5_060_000);
  // The other clock tells 1 and then 0 ms more; this is 0.25 ms each.
  pass(1, 0.25);
  assertEquals(now(), 5_060_000.25);
  pass(0, 0.25);
  assertEquals(now(), 5_060_000.5);
});

Deno.test("a clock that was put back is followed", () => {
  const { now, pass } = clockBed();
  pass(-3_600_000, 10);
  assertEquals(now(), 1_400_000);
});
