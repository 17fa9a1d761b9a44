import { assertEquals, assertThrows } from "@std/assert";
import { arrayJson } from "../../src/dev/_pg_array.ts";
import { textParameters } from "../../src/dev/_sql_parameters.ts";

Deno.test("textParameters() writes what Neon's proxy writes", () => {
  const cases: [unknown, string | null][] = [
    [true, "true"],
    [42, "42"],
    ['foo"', 'foo"'],
    [null, null],
    [{ a: 1 }, '{"a":1}'],
    [
      [true, false, null, "NULL", 42, "foo", 'bar"-\\'],
      '{true,false,NULL,"NULL",42,"foo","bar\\"-\\\\"}',
    ],
    [[[true, false], [null, 42]], "{{true,false},{NULL,42}}"],
    [[{ foo: 1 }, { bar: 2 }], '{"{\\"foo\\":1}","{\\"bar\\":2}"}'],
    [[], "{}"],
  ];
  for (const [value, text] of cases) {
    assertEquals(textParameters([value]), [text]);
  }
});

Deno.test("arrayJson() reads arrays as PostgreSQL writes them", () => {
  const cases: [string, unknown][] = [
    ["{}", []],
    ["{1,NULL,3}", ["1", null, "3"]],
    ['{"NULL",""}', ["NULL", ""]],
    ["{{a,b},{c,d}}", [["a", "b"], ["c", "d"]]],
    ['{"a,b","c\\"d","e\\\\f","{}"}', ["a,b", 'c"d', "e\\f", "{}"]],
    ["[2:3][-1:0]={{1,2},{3,4}}", [["1", "2"], ["3", "4"]]],
    ['{"two\nlines"}', ["two\nlines"]],
  ];
  for (const [text, value] of cases) {
    assertEquals(JSON.parse(arrayJson(text, JSON.stringify)), value, text);
  }
});

Deno.test("arrayJson() refuses what is no array", () => {
  for (const text of ["", "1 2", "{", "{1", '{"a}', "{a}b", "[1:2]"]) {
    assertThrows(() => arrayJson(text, JSON.stringify), SyntaxError);
  }
});
