import { assert, assertEquals } from "@std/assert";
import { sanitizedText } from "../../src/otel/_query_text.ts";
import { testDatabase } from "../support/postgres.ts";

/** SQL text to what may be told of it. */
const CASES: readonly [string, string][] = [
  ["select 'a'", "select ?"],
  ["select 'it''s', 'b'", "select ?, ?"],
  [String.raw`select 'a\' , 'b'`, "select ? , ?"],
  [String.raw`select E'a\'b', e'c\\', 'd'`, "select ?, ?, ?"],
  ["select E'a'\n'b\\'c', 1", "select ? ?, ?"],
  ["select E'a' -- d\n'b\\'c', 1", "select ? ?, ?"],
  ["select E'a' -- d\r -- e\n 'b\\'c'\r'd\\'e', 1", "select ? ? ?, ?"],
  [String.raw`select E'a', 'b\', c, 'd'`, "select ?, ?, c, ?"],
  ["select 1 -- a\r, 'b\nc'", "select ? , ?"],
  ["select \u00a0E'b\\', 'c'", "select \u00a0E?, ?"],
  ["select U&'d\\0061t', N'x', B'01', X'1F'", "select ?, ?, ?, ?"],
  ["select $$a$$, $q$b $$ c$q$, $q$d$q$", "select ?, ?, ?"],
  ["select $1, $22, a$1 from t", "select $1, $22, a$1 from t"],
  [
    "select 1, 1.5, .5, 1e10, 1.5E-7, 1e-5_0, 0xFF, 1_000",
    "select ?, ?, ?, ?, ?, ?, ?, ?",
  ],
  ["select -1, a1, t1.a2, a[1:2]", "select -?, a1, t1.a2, a[?:?]"],
  ["select 12ab", "select ?"],
  ["where a is TRUE and b = false", "where a is ? and b = ?"],
  ["select interval '1 day', date '2020-01-01'", "select interval ?, date ?"],
  ["select 'a' -- 'b'\n, 'c'", "select ? , ?"],
  ["select 1 -- it's'\n, a -- $$'\n, b", "select ? , a , b"],
  ["select /* 'a' /* b */ 'c' */ 'd'", "select ?"],
  ['select "a""b", U&"c", "d\'e"', 'select "a""b", U&"c", "d\'e"'],
  ["  select\n\t1  ", "select ?"],
  ["select naïve, 'naïve'", "select naïve, ?"],
  // Not to its end: nothing is told of what is open.
  ["select 'a", "select ?"],
  ["select E'a\\", "select ?"],
  ["select $x$a", "select ?"],
  ["select /* a", "select"],
  ['select "a', "select ?"],
  [`select "a""b where c = 'd'`, "select ?"],
];

for (const [text, expected] of CASES) {
  Deno.test(`sanitizedText() of ${JSON.stringify(text)}`, () => {
    assertEquals(sanitizedText(text), expected);
  });
}

Deno.test("sanitizedText() is cut, and takes no longer for a long text", () => {
  const text = `insert into t values ${"('secret', $1), ".repeat(100_000)}`;
  const sanitized = sanitizedText(text);
  assert(sanitized.length <= 4100);
  assert(sanitized.endsWith(" ..."));
  assert(!sanitized.includes("secret"));
});

Deno.test("sanitizedText() takes a value of many megabytes", () => {
  const value = "a''".repeat(5_000_000);
  for (const [open, end] of [["'", "'"], ["E'", "'"], ["$$", "$$"]]) {
    assertEquals(sanitizedText(`select ${open}${value}${end}`), "select ? ...");
  }
  const name = "a".repeat(15_000_000);
  assert(sanitizedText(`select "${name}"`).endsWith(`a" ...`));
  const lines = "\n".repeat(100_000);
  assertEquals(sanitizedText(`select E'a'${lines}, 1`), "select ? ...");
});

Deno.test("sanitizedText() takes strings for what PostgreSQL takes them for", async () => {
  await using database = await testDatabase();
  const texts = [
    String.raw`'a\'`,
    String.raw`E'a\'b'`,
    "'it''s'",
    "E'a'\n'b\\'c'",
    "$$a'b$$",
    "$q$a$$b$q$",
    "U&'d\\0061t'",
    "'a' -- 'b'\n'c'",
    "E'a' -- b\r\n'c\\'d'",
    "E'a'\r'b\\'c'",
    "1e-5_0",
    "1e3",
    ".5",
    "0xFF",
    "1_000",
    "X'1F'",
  ];
  for (const text of texts) {
    await database.query(`select ${text} as value`);
    const sanitized = sanitizedText(`select ${text} as value`);
    assertEquals(sanitized.replace("? ?", "?"), "select ? as value");
  }
});
