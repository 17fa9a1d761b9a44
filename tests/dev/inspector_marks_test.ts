import { assertEquals } from "@std/assert";
import { idleMarks, statementShape } from "../../src/dev/_inspector_marks.ts";

Deno.test("statementShape() leaves out values and nothing else", () => {
  const shapes: [string, string][] = [
    ["select 1", "select ?"],
    ["select * from t1 where id = $1", "select * from t1 where id = ?"],
    ["select * from t where id=42", "select * from t where id=?"],
    [
      `select "a 'b' 1" from t where n = 'it''s' and m = 'x'`,
      `select "a ? ?" from t where n = ? and m = ?`,
    ],
    ["where id in ($1, $2,$3)", "where id in (?)"],
    ["where id in ($1)", "where id in (?)"],
    ["values ($1, $2), ($3, $4)", "values (?)"],
    [
      "values ($1, default), ($2, default)",
      "values (?, default), (?, default)",
    ],
    ["  select\n\n  2.5  ", "select ?"],
    ["select 'unfinished", "select 'unfinished"],
  ];
  for (const [text, shape] of shapes) assertEquals(statementShape(text), shape);
});

Deno.test("idleMarks() tells half of a tenth of a second, and not less", () => {
  assertEquals(idleMarks({ total: 49.9, at: 5 }), []);
  const [mark] = idleMarks({ total: 1234.5, at: 5 });
  assertEquals([mark?.label, mark?.at], ["idle 1235 ms", 5]);
});
