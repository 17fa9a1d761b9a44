import { assertEquals } from "@std/assert";
import {
  age,
  type ConnectionRecord,
  generationAfterLoss,
  openRecord,
  type RecordContext,
  type ReplacementReason,
  replacementReason,
} from "../../src/pool/connection_record.ts";

const RECORD = openRecord(3, 10_000);
const CONTEXT: RecordContext = {
  now: 40_000,
  recycle: -1,
  generation: 3,
  isUsable: true,
};

const CASES: readonly [
  Partial<ConnectionRecord>,
  Partial<RecordContext>,
  ReplacementReason | undefined,
][] = [
  [{}, {}, undefined],
  [{}, { isUsable: false }, "broken"],
  [{ isInvalidated: true }, {}, "invalidated"],
  [{ isInvalidated: true }, { isUsable: false }, "broken"],
  [{}, { generation: 4 }, "generation"],
  [{ generation: 4 }, { generation: 4 }, undefined],
  [{}, { recycle: 29_999 }, "age"],
  [{}, { recycle: 30_000 }, undefined],
  [{}, { recycle: Infinity }, undefined],
  [{ openedAt: 39_999 }, { recycle: 0 }, "age"],
  [{ openedAt: 40_000 }, { recycle: 0 }, undefined],
  // The clock was put back.
  [{ openedAt: 50_000 }, { recycle: 0 }, undefined],
];

for (const [record, context, reason] of CASES) {
  const given = JSON.stringify({ ...record, ...context });
  Deno.test(`replacementReason() of ${given}: ${reason}`, () => {
    assertEquals(
      replacementReason({ ...RECORD, ...record }, { ...CONTEXT, ...context }),
      reason,
    );
  });
}

Deno.test("generationAfterLoss() counts one loss of each generation", () => {
  assertEquals(generationAfterLoss(openRecord(3, 0), 3), 4);
  assertEquals(generationAfterLoss(openRecord(3, 0), 4), 4);
  assertEquals(generationAfterLoss(openRecord(4, 0), 4), 5);
});

Deno.test("age() is never negative", () => {
  assertEquals(age(RECORD, 10_005), 5);
  assertEquals(age(RECORD, 9_000), 0);
});
