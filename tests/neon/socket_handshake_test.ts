import { assertEquals, assertNotEquals } from "@std/assert";
import {
  acceptOf,
  handshakeKey,
  handshakeRequest,
  headOf,
  refusalOf,
} from "../../src/neon/_socket_handshake.ts";

Deno.test("acceptOf() makes what RFC 6455 says of its example", () => {
  assertEquals(
    acceptOf("dGhlIHNhbXBsZSBub25jZQ=="),
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  );
});

Deno.test("handshakeKey() makes another key of 16 bytes each time", () => {
  const key = handshakeKey();
  assertEquals(atob(key).length, 16);
  assertNotEquals(key, handshakeKey());
});

Deno.test("handshakeRequest() names the host, with a port of its own only", () => {
  const lines = (url: string) =>
    new TextDecoder().decode(handshakeRequest(new URL(url), "KEY"))
      .split("\r\n");
  assertEquals(lines("wss://ep.example:443/v2?a=b#c"), [
    "GET /v2?a=b HTTP/1.1",
    "Host: ep.example",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: KEY",
    "Sec-WebSocket-Version: 13",
    "",
    "",
  ]);
  assertEquals(lines("ws://[::1]:4444")[1], "Host: [::1]:4444");
});

Deno.test("headOf() finds the end, and knows when it is not there", () => {
  const bytes = new TextEncoder().encode("HTTP/1.1 101 é\r\n\r\nrest");
  assertEquals(headOf(bytes)?.size, bytes.length - 4);
  assertEquals(headOf(bytes.subarray(0, -5)), undefined);
});

const GOOD = [
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: WebSocket",
  "Connection: keep-alive, upgrade",
  "Sec-WebSocket-Accept:  right ",
];

const ANSWERS: readonly [string, readonly string[], string | undefined][] = [
  ["a good answer", GOOD, undefined],
  ["one without a word for its status", [
    "HTTP/1.1 101",
    ...GOOD.slice(1),
  ], undefined],
  ["connection headers apart", [
    ...GOOD.slice(0, 2),
    "connection: x",
    "connection: Upgrade",
    ...GOOD.slice(3),
  ], undefined],
  ["an error", ["HTTP/1.1 502 Bad"], "server answered with status 502"],
  ["HTTP/1.0", [
    "HTTP/1.0 101 x",
    ...GOOD.slice(1),
  ], "server does not speak HTTP/1.1"],
  ["nonsense", ["hello"], "server does not speak HTTP/1.1"],
  [
    "no upgrade",
    GOOD.toSpliced(1, 1),
    "server answered 101 without an upgrade",
  ],
  [
    "no connection",
    GOOD.toSpliced(2, 1),
    "server answered 101 without an upgrade",
  ],
  ["no proof", GOOD.slice(0, 3), "server answered to another key"],
  ["a wrong proof", [
    ...GOOD.slice(0, 3),
    "Sec-WebSocket-Accept: Right",
  ], "server answered to another key"],
  ["an extension", [
    ...GOOD,
    "Sec-WebSocket-Extensions: permessage-deflate",
  ], "server chose an extension or protocol"],
];

for (const [name, lines, refusal] of ANSWERS) {
  Deno.test(`refusalOf() judges ${name}`, () => {
    assertEquals(refusalOf(lines.join("\r\n"), "right"), refusal);
  });
}
