import { assertEquals } from "@std/assert";
import { statementStart } from "../../src/driver/statement_start.ts";

Deno.test("statementStart() skips what PostgreSQL skips", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["select 1", "select 1"],
    [" \t\r\n\f;; select 1 ", "select 1 "],
    ["-- a\nselect 1", "select 1"],
    ["-- a\r\nselect 1", "select 1"],
    ["-- a\rselect 1", "select 1"],
    ["--", ""],
    ["-- a /* b\nselect 1", "select 1"],
    ["- 1", "- 1"],
    ["/ 1", "/ 1"],
    ["/* a */select 1", "select 1"],
    ["/***/select 1", "select 1"],
    ["/*/ a */select 1", "select 1"],
    ["/* a /* b */ c */select 1", "select 1"],
    ["/* -- a */select 1", "select 1"],
    ["/* a", ""],
    ["/* a /* b */ c", ""],
    ["*/ 1", "*/ 1"],
    ["select /* a */ 1", "select /* a */ 1"],
  ];
  for (const [text, start] of cases) {
    assertEquals(statementStart(text), start, text);
  }
});

Deno.test("statementStart() has no limit", () => {
  const many = 10_000_000;
  for (const text of [" ".repeat(many), `/*${"x".repeat(many)}*/`]) {
    assertEquals(statementStart(`${text}select 1`), "select 1");
  }
});
