import { rolledBack, withRollback } from "@nullpool/db/testing";
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { addNote, notes, scope } from "./other_runners_app.ts";

test(
  "a note is kept",
  rolledBack(scope, async (db) => {
    await addNote(1);
    deepEqual(await db.select().from(notes), [{ id: 1 }]);
  }),
);

test(
  "a note is missed",
  rolledBack(scope, async (db) => {
    await addNote(1);
    deepEqual(await db.select().from(notes), []);
  }),
);

test("notes are added side by side", { concurrency: true }, async (t) => {
  await Promise.all(
    [1, 2, 3].map((id) =>
      t.test(`note ${id}`, () =>
        withRollback(scope, async (db) => {
          await addNote(id);
          deepEqual(await db.select().from(notes), [{ id }]);
        }))
    ),
  );
});
