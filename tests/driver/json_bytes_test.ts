import { assertEquals } from "@std/assert";
import { fitsAsJson, jsonBytes } from "../../src/driver/json_bytes.ts";

const TEXTS = [
  "",
  "plain",
  '{"a\\"b","c"}',
  "\\".repeat(9),
  "é ß ж",
  "漢字 ﷽",
  "😀👩‍👧",
  "\u0001\u001f",
  "a\nb\tc\b\f\r",
];

Deno.test("jsonBytes() counts what JSON in UTF-8 has", () => {
  for (const text of TEXTS) {
    assertEquals([text, jsonBytes(text)], [text, realBytes(text)]);
  }
});

Deno.test("fitsAsJson() is exact at its limit", () => {
  for (const texts of [...TEXTS.map((text) => [text]), TEXTS, [null]]) {
    const real = texts.reduce((sum, text) => sum + realBytes(text), 0);
    const found = [fitsAsJson(texts, real), fitsAsJson(texts, real - 1)];
    assertEquals(found, [true, false], String(texts));
  }
});

function realBytes(text: string | null): number {
  return new TextEncoder().encode(JSON.stringify(text)).byteLength;
}
