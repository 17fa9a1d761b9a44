import { assertEquals } from "@std/assert";
import { jsonBytes } from "../../src/driver/json_bytes.ts";

Deno.test("jsonBytes() counts what JSON in UTF-8 has", () => {
  const encoder = new TextEncoder();
  for (
    const text of [
      "",
      "plain",
      '{"a\\"b","c"}',
      "\\".repeat(9),
      "é ß ж",
      "漢字 ﷽",
      "😀👩‍👧",
      "\u0001\u001f",
      "a\nb\tc\b\f\r",
    ]
  ) {
    const real = encoder.encode(JSON.stringify(text)).byteLength;
    assertEquals([text, jsonBytes(text)], [text, real]);
  }
});
