import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Transport } from "../../src/events/event.ts";
import {
  planTransport,
  type TransportSituation,
} from "../../src/session/transport_plan.ts";

const READS: TransportSituation = {
  isOpen: false,
  options: {},
  isPure: true,
  isLast: false,
  fits: () => true,
  hasWritten: false,
  mostParams: () => 10,
  maxBatchBytes: 100,
  maxBatchParams: 10,
};

/** What is different, what it leads to, and a word of the reason. */
type Case = readonly [Partial<TransportSituation>, Transport, string];

const isSo = true;

const CASES: readonly Case[] = [
  [{}, "one-shot", "only reads"],
  [{ options: { isolationLevel: "read committed" } }, "one-shot", "reads"],
  [{ options: { isolationLevel: "read uncommitted" } }, "one-shot", "reads"],
  [{ options: { readOnly: isSo } }, "one-shot", "reads"],
  [{ maxBatchBytes: undefined }, "one-shot", "reads"],
  [{ mostParams: () => 11 }, "interactive", "more than 10 parameters"],
  [
    { mostParams: () => 11, maxBatchParams: Infinity },
    "one-shot",
    "only reads",
  ],
  [
    { mostParams: () => 11, isLast: isSo, isPure: !isSo },
    "interactive",
    "more than 10 parameters",
  ],
  [{ isPure: !isSo }, "interactive", "may write"],
  [{ hasWritten: isSo }, "interactive", "wrote"],
  [{ isOpen: isSo }, "interactive", "open already"],
  [{ options: { interactive: isSo } }, "interactive", "asked for"],
  [
    { options: { isolationLevel: "repeatable read" } },
    "interactive",
    "one snapshot (repeatable read)",
  ],
  [
    { options: { isolationLevel: "serializable" } },
    "interactive",
    "one snapshot (serializable)",
  ],
  [{ options: { deferrable: isSo } }, "interactive", "deferrable"],
  [
    { options: { isolationLevel: "autocommit" } },
    "interactive",
    "autocommit",
  ],
  [{ isLast: isSo, isPure: !isSo }, "batch", "whole unit of work"],
  [
    {
      isLast: isSo,
      isPure: !isSo,
      options: { isolationLevel: "serializable", deferrable: isSo },
    },
    "batch",
    "whole unit of work",
  ],
  [
    { isLast: isSo, fits: (bytes) => bytes === 100 },
    "batch",
    "whole unit of work",
  ],
  [{ isLast: isSo, fits: () => !isSo }, "interactive", "more than 100 bytes"],
  [
    { isLast: isSo, isPure: !isSo, maxBatchBytes: undefined },
    "interactive",
    "may write",
  ],
  [{ isLast: isSo, isOpen: isSo }, "interactive", "open already"],
  [
    { isLast: isSo, options: { interactive: isSo } },
    "interactive",
    "asked for",
  ],
  [
    { isLast: isSo, options: { isolationLevel: "autocommit" } },
    "interactive",
    "autocommit",
  ],
];

Deno.test("planTransport() knows every case", () => {
  for (const [difference, expected, word] of CASES) {
    const { transport, reason } = planTransport({ ...READS, ...difference });
    const name = JSON.stringify(difference);
    assertEquals([name, transport], [name, expected]);
    assertStringIncludes(reason, word, name);
  }
});

Deno.test("planTransport() measures what goes out only where it counts", () => {
  const fits = () => {
    throw new Error("nobody needs to know");
  };
  for (
    const difference of [
      { maxBatchParams: Infinity },
      { isOpen: isSo, isLast: isSo },
      { isPure: !isSo },
      { isPure: !isSo, isLast: isSo, maxBatchBytes: undefined },
    ]
  ) planTransport({ ...READS, ...difference, fits, mostParams: fits });
});
