import { assertEquals, assertThrows } from "@std/assert";
import { toWireParameter } from "../../src/driver/parameter.ts";

Deno.test("toWireParameter() writes each kind of value", () => {
  const cases: [unknown, string | null][] = [
    [null, null],
    [undefined, null],
    ["", ""],
    ["a", "a"],
    ["💾", "💾"],
    ["a\udc00", "a\ufffd"],
    [["\ud800a"], '{"\ufffda"}'],
    [{ toPostgres: () => "\ud800" }, "\ufffd"],
    [1.5, "1.5"],
    [-0, "0"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    [10n ** 20n, "100000000000000000000"],
    [true, "true"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Date("+012345-01-02T00:00:00Z"), "12345-01-02T00:00:00.000Z"],
    [new Date("-000043-03-15T00:00:00Z"), "0044-03-15T00:00:00.000Z BC"],
    [new Uint8Array([0, 255]), "\\x00ff"],
    [new Uint16Array([1]), "\\x0100"],
    [new Uint8Array([1]).buffer, "\\x01"],
    [{ a: 1 }, '{"a":1}'],
    [[], "{}"],
    [[1, null, "a"], '{"1",NULL,"a"}'],
    [['q"', "b\\", "c,d", "{}"], '{"q\\"","b\\\\","c,d","{}"}'],
    [[[1, 2], [3, 4]], '{{"1","2"},{"3","4"}}'],
    [[{ a: "x" }], '{"{\\"a\\":\\"x\\"}"}'],
    [[new Uint8Array([1])], '{"\\\\x01"}'],
    [{ toPostgres: () => [1] }, '{"1"}'],
  ];
  for (const [value, text] of cases) {
    assertEquals(toWireParameter(value), text);
  }
});

Deno.test("toWireParameter() throws before anything is sent", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assertThrows(() => toWireParameter(circle), TypeError);
  assertThrows(() => toWireParameter({ n: 1n }), TypeError);
});
