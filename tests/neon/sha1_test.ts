import { assertEquals } from "@std/assert";
import { sha1 } from "../../src/neon/_sha1.ts";

Deno.test("sha1() makes what RFC 3174 says of its examples", () => {
  const hash = (text: string) => sha1(new TextEncoder().encode(text)).toHex();
  assertEquals(hash("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assertEquals(
    hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
  );
  assertEquals(
    hash("0123456701234567012345670123456701234567012345670123456701234567"
      .repeat(10)),
    "dea356a2cddd90c7a7ecedc5ebb563934f460452",
  );
});

Deno.test("sha1() is the platform's, whatever the length", async () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = crypto.getRandomValues(new Uint8Array(length));
    const expected = await crypto.subtle.digest("SHA-1", bytes);
    assertEquals(sha1(bytes), new Uint8Array(expected), `${length} bytes`);
  }
});
