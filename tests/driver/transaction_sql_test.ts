import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  commitNeedsAnswer,
  endsTransaction,
  type TransactionOptions,
} from "../../src/driver/transaction_sql.ts";

Deno.test("commitNeedsAnswer() except where COMMIT can only succeed", () => {
  const cases: [TransactionOptions, boolean][] = [
    [{}, true],
    [{ isolationLevel: "repeatable read" }, true],
    [{ readOnly: false }, true],
    [{ readOnly: true }, false],
    [{ readOnly: true, isolationLevel: "read committed" }, false],
    [{ readOnly: true, isolationLevel: "repeatable read" }, false],
    [{ readOnly: true, isolationLevel: "serializable" }, true],
    [{ isolationLevel: "serializable", deferrable: true }, true],
    [
      { readOnly: true, isolationLevel: "serializable", deferrable: true },
      false,
    ],
  ];
  for (const [options, needs] of cases) {
    assertEquals(commitNeedsAnswer(options), needs, JSON.stringify(options));
  }
});

Deno.test("endsTransaction() knows what ends a transaction", () => {
  const cases: [string, boolean][] = [
    ["commit", true],
    ["COMMIT AND CHAIN", true],
    ["end;", true],
    ["End Transaction", true],
    ["abort", true],
    ["rollback", true],
    ["rollback work", true],
    ["rollback and chain", true],
    ["rollback prepared 'x'", true],
    ["prepare transaction 'x'", true],
    [" \t\r\n; commit", true],
    ["-- a\ncommit", true],
    ["-- a\r\ncommit", true],
    ["-- a\rcommit", true],
    ["/* a */ -- b\n/**/commit", true],
    ["/* a /* b */ c */ commit", true],
    ["/* '*/ commit", true],
    ["", false],
    ["--", false],
    ["-- commit", false],
    ["-- a\n-- commit", false],
    ["/* commit", false],
    ["/* a /* b */ commit", false],
    ["/* a */ -- commit\nselect 1", false],
    ["/*/ commit */ select 1", false],
    ["select 'commit'", false],
    ["committed", false],
    ["end_of_day()", false],
    ["prepare a as select 1", false],
    ["rollback to a", false],
    ["ROLLBACK  TO SAVEPOINT a", false],
    ["rollback work to a", false],
    ["rollback transaction to savepoint a", false],
    ["release savepoint a", false],
    ["savepoint a", false],
  ];
  for (const [text, ends] of cases) {
    assertEquals(endsTransaction(text), ends, text);
  }
});

Deno.test("endsTransaction() reads each comment once", () => {
  // Read again for each way to group them, they would not end.
  const comments = "/* x */\n-- y\n".repeat(5_000);
  assertFalse(endsTransaction(`${comments}select 1`));
  assert(endsTransaction(`${comments}commit`));
});
