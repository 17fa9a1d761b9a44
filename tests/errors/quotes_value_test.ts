import { assertEquals } from "@std/assert";
import { quotesValue } from "../../src/errors/quotes_value.ts";

/** Messages of PostgreSQL, the SQL and the values they came from. */
const CASES: readonly (readonly [boolean, string, string, string | null])[] = [
  [true, 'relation "secret" does not exist', "select $1::regclass", "secret"],
  [true, 'relation "secret" does not exist', "select $1::regclass", "SeCret"],
  [true, 'relation "app.secret" does not exist', "$1", '"app" . "secret"'],
  [
    true,
    'relation "my secret" does not exist',
    "$1",
    '{"a","\\"my secret\\""}',
  ],
  [true, 'relation "s3" does not exist', "$1", '{"k":{"\\u0073\\u0033":1}}'],
  [true, `relation "${"ä".repeat(31)}" does not exist`, "$1", "ä".repeat(40)],
  [true, "improper relation name: a.b.c.d", "$1", '{"A.b.c.d"}'],
  [true, "la relation « secret » n'existe pas", "$1", '["secret"]'],
  [true, "Relation »secret« existiert nicht", "$1", '["Secret"]'],
  [true, 'relation "tab" does not exist', "select a b, $1", "tab"],
  // The program's own words, and those of the server.
  [false, 'relation "users" does not exist', 'select "users"', "users"],
  [false, 'relation "app.users" does not exist', '"app"."users"', "app.users"],
  [false, 'column "n" does not exist', "select N from t", "n"],
  [false, 'relation "log" does not exist', "insert into t values ($1)", "7"],
  [
    false,
    "permission denied for table t",
    "select 1 from t",
    "a table of mine",
  ],
  [false, 'relation "x" does not exist', "select $1::regclass", null],
  [false, 'relation "" does not exist', "select $1::regclass", ""],
];

Deno.test("quotesValue() finds what PostgreSQL has made of a value", () => {
  for (const [expected, message, text, value] of CASES) {
    assertEquals([message, quotesValue(message, text, [value])], [
      message,
      expected,
    ]);
  }
});

Deno.test("quotesValue() reads long values once", () => {
  const value = '{"a":"\\\\ \\"b\\" x"},'.repeat(200_000);
  const message = `relation "${"n".repeat(63)}" does not exist`;
  assertEquals(
    [quotesValue(message, "$1", [value]), quotesValue("x", value, [value])],
    [false, false],
  );
});
