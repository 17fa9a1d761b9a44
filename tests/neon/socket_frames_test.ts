import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { Receiver } from "ws";
import { ConnectionError } from "../../src/errors/connection_error.ts";
import {
  encodeFrame,
  FrameReader,
  OPCODE,
} from "../../src/neon/_socket_frames.ts";

const MASK = new Uint8Array([0x37, 0xfa, 0x21, 0x3d]);

/** A frame of a server: not masked. */
function frame(first: number, payload: readonly number[]): number[] {
  return [first, payload.length, ...payload];
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => at * 7 + (at >> 8));
}

function messagesOf(
  parts: Iterable<readonly number[] | Uint8Array>,
  maxSize = 100_000,
): [number, number[]][] {
  const reader = new FrameReader(maxSize);
  return [...parts].flatMap((part) =>
    [...reader.read(Uint8Array.from(part))].map(({ opcode, payload }) =>
      [opcode, [...payload]] satisfies [number, number[]]
    )
  );
}

for (const length of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
  Deno.test(`encodeFrame() ws reads a message of ${length} bytes`, async () => {
    const receiver = new Receiver({ isServer: true });
    const read = new Promise<Buffer>((resolve, reject) => {
      receiver.on("message", (data: Buffer) => resolve(data));
      receiver.on("error", reject);
    });
    receiver.write(
      Buffer.from(encodeFrame(OPCODE.binary, bytes(length), MASK)),
    );
    assert(Buffer.from(bytes(length)).equals(await read));
  });
}

Deno.test("encodeFrame() masks as the example of RFC 6455 does", () => {
  // Section 5.7: "Hello".
  assertEquals(
    [...encodeFrame(OPCODE.text, new TextEncoder().encode("Hello"), MASK)],
    [0x81, 0x85, ...MASK, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
  );
});

/** A stream with every kind of frame, and what it says. */
const STREAM = [
  ...frame(0x82, [1, 2, 3]),
  ...frame(0x02, [4]),
  ...frame(0x89, [9, 9]),
  ...frame(0x00, []),
  ...frame(0x80, [5, 6]),
  0x82,
  126,
  0x01,
  0x00,
  ...bytes(256),
  0x82,
  127,
  ...[0, 0, 0, 0, 0, 1, 0, 0],
  ...bytes(65_536),
  ...frame(0x81, [0x68, 0x69]),
  ...frame(0x88, [0x03, 0xe8]),
];
const SAID: [number, number[]][] = [
  [OPCODE.binary, [1, 2, 3]],
  [OPCODE.ping, [9, 9]],
  [OPCODE.binary, [4, 5, 6]],
  [OPCODE.binary, [...bytes(256)]],
  [OPCODE.binary, [...bytes(65_536)]],
  [OPCODE.text, [0x68, 0x69]],
  [OPCODE.close, [0x03, 0xe8]],
];

for (const size of [1, 2, 3, 7, 1_000, STREAM.length]) {
  Deno.test(`FrameReader reads a stream in pieces of ${size} bytes`, () => {
    const pieces = Array.from(
      { length: Math.ceil(STREAM.length / size) },
      (_, at) => STREAM.slice(at * size, (at + 1) * size),
    );
    assertEquals(messagesOf(pieces), SAID);
  });
}

Deno.test("FrameReader hands out bytes that are not those it was given", () => {
  const given = Uint8Array.from(frame(0x82, [1, 2, 3]));
  const [message] = new FrameReader(10).read(given);
  given.fill(0);
  assertEquals(message?.payload, new Uint8Array([1, 2, 3]));
  assertEquals(message?.payload.buffer.byteLength, 3);
});

const WRONG: Readonly<Record<string, readonly number[]>> = {
  "reserved bits": [0xc2, 0],
  "an unknown data frame": [0x83, 0],
  "an unknown control frame": [0x8b, 0],
  "a masked frame": [0x82, 0x80],
  "a masked, long frame": [0x82, 0xff, ...bytes(8)],
  "a control frame in parts": [0x09, 0],
  "a long control frame": [0x89, 126, 0, 126],
  "a close frame with half a code": [0x88, 1, 3],
  "a continuation of nothing": [0x80, 0],
  "a message inside of another": [...frame(0x02, [1]), ...frame(0x82, [2])],
  "a large message": [0x82, 126, 0x03, 0xe9],
  "a message larger than numbers go": [0x82, 127, ...Array(8).fill(0xff)],
  "a message that becomes large": [
    ...[0x02, 126, 0x03, 0xe8],
    ...bytes(1_000),
    ...frame(0x00, []),
    ...frame(0x80, [1]),
  ],
};

for (const [name, stream] of Object.entries(WRONG)) {
  Deno.test(`FrameReader refuses ${name}`, () => {
    const error = assertThrows(() => messagesOf([stream], 1_000));
    assert(error instanceof ConnectionError);
    assertEquals(error.code, "CONNECTION_LOST");
  });
}

Deno.test("FrameReader gives what came before a frame that is wrong", () => {
  const reader = new FrameReader(10);
  const messages = reader.read(
    Uint8Array.from([...frame(0x82, [1]), 0xc2, 0]),
  );
  assertEquals(messages.next().value?.payload, new Uint8Array([1]));
  assertThrows(() => messages.next(), ConnectionError, "of an unknown kind");
});
