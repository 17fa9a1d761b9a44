import { assert, assertEquals, assertThrows } from "@std/assert";
import { mock } from "node:test";
import { Buffer } from "node:buffer";
import { NodelaySocket } from "../../src/neon/_nodelay_socket.ts";
import { freePort } from "../support/free_port.ts";
import {
  dialThrough,
  hear,
  type PeerSocket,
  rawPeer,
  socketPeer,
  upgrade,
} from "./socket_peer.ts";

const encoder = new TextEncoder();

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => at * 7 + (at >> 8));
}

/** Sends everything back. */
function echo(socket: PeerSocket): void {
  socket.on(
    "message",
    (data, binary) => socket.send(binary ? data : data.toString(), { binary }),
  );
}

async function closed(socket: NodelaySocket): Promise<void> {
  const ended = new Promise<void>((resolve) =>
    socket.addEventListener("close", () => resolve())
  );
  socket.close();
  await ended;
}

Deno.test("NodelaySocket writes a message at once, in one piece", async () => {
  await using peer = await socketPeer(echo);
  const written: number[] = [];
  const socket = new NodelaySocket(
    peer.url,
    dialThrough((conn) => ({
      write(bytes) {
        written.push(bytes.length);
        return conn.write(bytes);
      },
    })),
  );
  const heard = hear(socket);
  await heard.opened;
  written.length = 0;
  socket.send(bytes(5_000));
  // Not a task later: a flight would wait for it.
  assertEquals(written, [5_008]);
  await heard.next();
  socket.send(bytes(100_000));
  await heard.next();
  assertEquals(written, [5_008, 100_014]);
  await closed(socket);
});

Deno.test("NodelaySocket keeps messages in order, also those written in parts", async () => {
  await using peer = await socketPeer(echo);
  let running = 0;
  let most = 0;
  const socket = new NodelaySocket(
    peer.url,
    dialThrough((conn) => ({
      async write(bytes) {
        most = Math.max(most, ++running);
        try {
          return await conn.write(bytes.subarray(0, 700));
        } finally {
          running--;
        }
      },
    })),
  );
  const heard = hear(socket);
  await heard.opened;
  const sizes = [3_000, 1, 0, 70_000, 2_000];
  const answers = sizes.map(() => heard.next());
  const reused = bytes(70_000);
  for (const size of sizes) socket.send(reused.subarray(0, size));
  // What was sent is sent: the caller may use the bytes again.
  reused.fill(0);
  for (const [at, answer] of (await Promise.all(answers)).entries()) {
    assert(answer instanceof ArrayBuffer);
    assert(Buffer.from(answer).equals(bytes(sizes[at] ?? 0)));
  }
  assertEquals(most, 1);
  await closed(socket);
});

Deno.test("NodelaySocket carries text, buffers and 2 MB both ways", async () => {
  await using peer = await socketPeer(echo);
  const socket = new NodelaySocket(peer.url);
  const heard = hear(socket);
  assertEquals(socket.readyState, 0);
  assertThrows(() => socket.send("too early"), DOMException);
  await heard.opened;
  assertEquals(socket.readyState, 1);
  socket.send("Grüße");
  assertEquals(await heard.next(), "Grüße");
  socket.send(bytes(9).buffer);
  assertEquals(await heard.next(), bytes(9).buffer);
  const large = bytes(2_000_000);
  socket.send(large);
  const answer = await heard.next();
  assert(answer instanceof ArrayBuffer && Buffer.from(answer).equals(large));
  await closed(socket);
  assertEquals(heard.log.slice(-1), ["close 1005 clean"]);
});

Deno.test("NodelaySocket joins fragments and answers pings between them", async () => {
  const pongs: string[] = [];
  await using peer = await socketPeer((socket) => {
    socket.on("pong", (data) => {
      pongs.push(data.toString());
      socket.send(bytes(90_000).subarray(4), { fin: true, binary: true });
    });
    socket.send(bytes(90_000).subarray(0, 4), { fin: false, binary: true });
    socket.ping(encoder.encode("still there?"));
  });
  const socket = new NodelaySocket(peer.url);
  const answer = await hear(socket).next();
  assert(answer instanceof ArrayBuffer);
  assert(Buffer.from(answer).equals(bytes(90_000)));
  assertEquals(pongs, ["still there?"]);
  await closed(socket);
});

const GOODBYES: readonly [
  string,
  [code?: number, reason?: string],
  string,
  number,
][] = [
  ["without a code", [], "close 1005 clean", 1005],
  ["with a code", [4001, "so long"], "close 4001 so long clean", 4001],
];
for (const [name, goodbye, told, echoed] of GOODBYES) {
  Deno.test(`NodelaySocket answers a goodbye ${name}`, async () => {
    const heardThere = Promise.withResolvers<number>();
    await using peer = await socketPeer((socket) => {
      socket.on("close", (code) => heardThere.resolve(code));
      socket.send("last words");
      socket.close(...goodbye);
    });
    const socket = new NodelaySocket(
      peer.url,
      dialThrough((conn) => ({
        async write(bytes) {
          // The answer takes longer than all else that there is to do.
          await new Promise((resolve) => setTimeout(resolve));
          return await conn.write(bytes);
        },
      })),
    );
    const heard = hear(socket);
    await heard.ended;
    assertEquals(heard.log, ["open", "last words", told]);
    assertEquals(await heardThere.promise, echoed);
    assertEquals(socket.readyState, 3);
    socket.send("too late");
    socket.close();
  });
}

Deno.test("NodelaySocket sends what it has before its goodbye, and then nothing", async () => {
  const said: (string | number)[] = [];
  const heardThere = Promise.withResolvers<void>();
  await using peer = await socketPeer((socket) => {
    socket.on("message", (data) => {
      said.push(data.length);
      socket.send("heard by nobody");
    });
    socket.on("close", (code) => {
      said.push(code);
      heardThere.resolve();
    });
  });
  let written = 0;
  const socket = new NodelaySocket(
    peer.url,
    dialThrough((conn) => ({
      async write(bytes) {
        const count = await conn.write(bytes);
        written += count;
        return count;
      },
    })),
  );
  const heard = hear(socket);
  await heard.opened;
  written = 0;
  socket.send(bytes(300_000));
  socket.send(bytes(10));
  socket.close();
  assertEquals(socket.readyState, 2);
  socket.send(bytes(20));
  socket.close();
  await heard.ended;
  await heardThere.promise;
  assertEquals(said, [300_000, 10, 1005]);
  assertEquals(written, 14 + 300_000 + 6 + 10 + 6);
  assertEquals(heard.log, ["open", "close 1005 clean"]);
});

const HEAD_ENDS = "\r\n\r\n";
const REFUSALS: Readonly<Record<string, [string, string]>> = {
  "403": [
    `HTTP/1.1 403 Forbidden\r\nSet-Cookie: secret${HEAD_ENDS}no secret`,
    "Cannot open WebSocket: server answered with status 403",
  ],
  "502": [
    `HTTP/1.1 502 Bad Gateway${HEAD_ENDS}`,
    "Cannot open WebSocket: server answered with status 502",
  ],
  "nonsense": [
    `220 mail.example ready${HEAD_ENDS}`,
    "Cannot open WebSocket: server does not speak HTTP/1.1",
  ],
  "headers without an end": [
    `HTTP/1.1 101 Switching Protocols\r\nx: ${"y".repeat(20_000)}`,
    "Cannot open WebSocket: headers of over 16384 bytes",
  ],
  "another key": [
    `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=${HEAD_ENDS}`,
    "Cannot open WebSocket: server answered to another key",
  ],
};
for (const [name, [answer, why]] of Object.entries(REFUSALS)) {
  Deno.test(`NodelaySocket is refused by ${name}`, async () => {
    await using peer = rawPeer(async (conn) => {
      await conn.write(encoder.encode(answer));
    });
    const socket = new NodelaySocket(peer.url);
    const heard = hear(socket);
    await heard.ended;
    assertEquals(heard.log, [`error: ${why}`, "close 1006 unclean"]);
    assertEquals(socket.readyState, 3);
    await peer.left;
  });
}

Deno.test("NodelaySocket tells why there is no connection", async () => {
  const heard = hear(new NodelaySocket(`ws://127.0.0.1:${freePort()}/v2`));
  await heard.ended;
  assertEquals(heard.log.length, 2);
  assert(heard.log[0]?.startsWith("error: Connection refused"));
  assertEquals(heard.log[1], "close 1006 unclean");
  assertThrows(() => new NodelaySocket("no URL"), TypeError);
});

const BREAKS: Readonly<Record<string, [readonly number[], string]>> = {
  "nothing": [[], "Cannot read WebSocket: it has ended"],
  "half a header": [[0x82], "Cannot read WebSocket: it has ended"],
  "half a frame": [[0x82, 100, 1, 2], "Cannot read WebSocket: it has ended"],
  "a fragment": [[0x02, 1, 1], "Cannot read WebSocket: it has ended"],
  "a frame that is masked": [
    [0x82, 0x81, 0, 0, 0, 0, 1],
    "Cannot read WebSocket: server sent a frame that is masked",
  ],
  "text that is none": [[0x81, 1, 0xff], "The encoded data is not valid"],
};
for (const [name, [frames, why]] of Object.entries(BREAKS)) {
  Deno.test(`NodelaySocket ends when the server stops after ${name}`, async () => {
    await using peer = rawPeer(async (conn, request) => {
      // The first frame comes along with the head.
      await conn.write(
        Buffer.concat([
          encoder.encode(upgrade(request)),
          Uint8Array.from([0x81, 2, 0x68, 0x69, ...frames]),
        ]),
      );
      await conn.closeWrite();
    });
    const heard = hear(new NodelaySocket(peer.url));
    await heard.ended;
    assertEquals(heard.log.slice(0, 2), ["open", "hi"]);
    assert(heard.log[2]?.startsWith(`error: ${why}`), heard.log[2]);
    assertEquals(heard.log.slice(3), ["close 1006 unclean"]);
    await peer.left;
  });
}

Deno.test("NodelaySocket waits five seconds for the answer to its goodbye", async () => {
  await using peer = rawPeer(async (conn, request) => {
    await conn.write(encoder.encode(upgrade(request)));
  });
  const socket = new NodelaySocket(peer.url);
  const heard = hear(socket);
  await heard.opened;
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    socket.close();
    mock.timers.tick(4_999);
    assertEquals(socket.readyState, 2);
    mock.timers.tick(1);
    await peer.left;
  } finally {
    mock.timers.reset();
  }
  await heard.ended;
  assertEquals(heard.log, ["open", "close 1006 unclean"]);
});
