import { Buffer } from "node:buffer";
import type { NeonServer } from "../../src/dev/mod.ts";
import { type Message, MessageBuffer } from "../../src/dev/_message_buffer.ts";

/** A WebSocket that speaks PostgreSQL's protocol byte by byte. */
export interface RawTunnel extends AsyncDisposable {
  send(bytes: Uint8Array | string): void;
  /** The types of the messages up to one of this type, and that message. */
  readUntil(type: string): Promise<{ types: string; last: Message }>;
  /** A single byte that is no message. */
  readByte(): Promise<string>;
  readonly closed: Promise<CloseEvent>;
}

/** Opens a WebSocket and sends nothing. */
export async function openTunnel(
  server: NeonServer,
  path = "/v2",
): Promise<RawTunnel> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`);
  socket.binaryType = "arraybuffer";
  const input = new MessageBuffer();
  const arrived = new EventTarget();
  socket.onmessage = ({ data }) => {
    input.append(new Uint8Array(data));
    arrived.dispatchEvent(new Event("bytes"));
  };
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  closed.then(() => arrived.dispatchEvent(new Event("bytes")));
  await new Promise((resolve) => socket.onopen = resolve);

  async function take<T>(read: () => T | undefined): Promise<T> {
    for (;;) {
      const taken = read();
      if (taken !== undefined) return taken;
      if (socket.readyState === WebSocket.CLOSED) {
        throw new Error("The socket was closed while a message was expected");
      }
      await new Promise((resolve) =>
        arrived.addEventListener("bytes", resolve, { once: true })
      );
    }
  }
  return {
    closed,
    send: (bytes) =>
      socket.send(typeof bytes === "string" ? bytes : new Uint8Array(bytes)),
    async readUntil(type) {
      let types = "";
      for (;;) {
        const last = await take(() => input.takeMessage());
        types += last.type;
        if (last.type === type) return { types, last };
      }
    },
    readByte: () =>
      take(() => {
        const rest = input.takeRest();
        return rest.length === 0 ? undefined : rest.toString();
      }),
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

/** A start-up packet for the user and database of a URL. */
export function startUp(url: string): Buffer {
  const { username, pathname } = new URL(url);
  const words = [
    "user",
    decodeURIComponent(username),
    "database",
    pathname.slice(1),
    "",
    "",
  ];
  return packet(196_608, Buffer.from(words.join("\0")));
}

/** A packet without a type letter. */
export function packet(code: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length);
  head.writeUInt32BE(code, 4);
  return Buffer.concat([head, body]);
}

/** The password of a URL. */
export function password(url: string): Buffer {
  return message("p", decodeURIComponent(new URL(url).password) + "\0");
}

/** A message. */
export function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5, type);
  head.writeUInt32BE(4 + bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Parse, Bind, Describe and Execute of one statement without parameters. */
export function extended(sql: string): Buffer {
  return Buffer.concat([
    message("P", `\0${sql}\0\0\0`),
    message("B", "\0\0\0\0\0\0\0\0"),
    message("D", "P\0"),
    message("E", "\0\0\0\0\0"),
  ]);
}
