import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  deadlockedBy,
  describeSlots,
  type HeldSlot,
  type SlotState,
} from "../../src/pool/_holders.ts";
import type { PoolHolder } from "../../src/driver/pool_holder.ts";

const request: PoolHolder = { name: "request" };
const first: PoolHolder = { name: "first", parent: request };
const second: PoolHolder = { name: "second", parent: request };
const inner: PoolHolder = { name: "inner", parent: first };
const other: PoolHolder = { name: "other" };
const otherTask: PoolHolder = { name: "other task", parent: other };

function slot(
  holder: PoolHolder | undefined,
  state: SlotState = "lent",
): HeldSlot {
  return { holder, state, since: 0 };
}

interface Case {
  readonly title: string;
  readonly holder: PoolHolder | undefined;
  readonly slots: readonly HeldSlot[];
  readonly waiting?: readonly (PoolHolder | undefined)[];
  readonly culprit: PoolHolder | undefined;
}

const CASES: readonly Case[] = [
  {
    title: "a task waits for its request",
    holder: first,
    slots: [slot(request)],
    culprit: request,
  },
  {
    title: "a holder waits for itself",
    holder: request,
    slots: [slot(request)],
    culprit: request,
  },
  {
    title: "what is being opened is held as well",
    holder: first,
    slots: [slot(request, "opening")],
    culprit: request,
  },
  {
    title: "a grandparent and a parent hold all",
    holder: inner,
    slots: [slot(request), slot(first)],
    culprit: request,
  },
  {
    title: "a sibling will end",
    holder: second,
    slots: [slot(request), slot(first)],
    culprit: undefined,
  },
  {
    title: "a sibling that waits will not",
    holder: second,
    slots: [slot(request), slot(first)],
    waiting: [inner],
    culprit: request,
  },
  {
    title: "a stranger will end",
    holder: first,
    slots: [slot(request), slot(other)],
    culprit: undefined,
  },
  {
    title: "two requests whose tasks wait for each other's slot",
    holder: first,
    slots: [slot(other), slot(request)],
    waiting: [otherTask],
    culprit: request,
  },
  {
    title: "an unnamed one may end",
    holder: first,
    slots: [slot(request), slot(undefined)],
    culprit: undefined,
  },
  {
    title: "a slot on its way back will be free",
    holder: first,
    slots: [slot(request), slot(undefined, "returning")],
    culprit: undefined,
  },
  {
    title: "given back is not held",
    holder: request,
    slots: [slot(request, "returning")],
    culprit: undefined,
  },
  {
    title: "nobody of its own holds one",
    holder: otherTask,
    slots: [slot(request)],
    waiting: [undefined],
    culprit: undefined,
  },
  {
    title: "without a holder nothing is known",
    holder: undefined,
    slots: [slot(request), slot(undefined)],
    culprit: undefined,
  },
];

for (const { title, holder, slots, waiting = [], culprit } of CASES) {
  Deno.test(`deadlockedBy() ${title}`, () => {
    assertEquals(deadlockedBy(holder, slots, waiting), culprit);
  });
}

Deno.test("deadlockedBy() ends in a circle of parents", () => {
  const a: { name: string; parent?: PoolHolder } = { name: "a" };
  const b: PoolHolder = { name: "b", parent: a };
  a.parent = b;
  assertEquals(deadlockedBy(b, [slot(a)], []), a);
});

Deno.test("describeSlots() names the oldest first", () => {
  const slots: HeldSlot[] = [
    { holder: first, state: "lent", since: 400 },
    { holder: undefined, state: "lent", since: 250 },
    { holder: request, state: "opening", since: 100 },
    { holder: other, state: "returning", since: 0 },
  ];
  assertEquals(
    describeSlots(slots, 1000.4),
    '"request" for 900 ms, unnamed for 750 ms, "first" for 600 ms, 1 being given back',
  );
  const many = Array.from({ length: 12 }, (_, since) => ({
    ...slot(first),
    since,
  }));
  assertEquals(describeSlots(many, 20).match(/"first"/g)?.length, 10);
  assertStringIncludes(describeSlots(many, 20), " for 11 ms, 2 more");
});
