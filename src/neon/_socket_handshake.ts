import { sha1 } from "./_sha1.ts";

/** What a server appends to the key before it hashes it (RFC 6455, 1.3). */
const PROOF = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A key for {@linkcode handshakeRequest}: 16 random bytes. */
export function handshakeKey(): string {
  return base64(crypto.getRandomValues(new Uint8Array(16)));
}

/**
 * The request that asks for a WebSocket.
 *
 * @param url Where.
 * @param key Proves that the answer is one to this request.
 */
export function handshakeRequest(
  url: URL,
  key: string,
): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${key}`,
      "Sec-WebSocket-Version: 13",
      "\r\n",
    ].join("\r\n"),
  );
}

/**
 * What a server makes of a key.
 *
 * @param key The one of the request.
 */
export function acceptOf(key: string): string {
  return base64(sha1(new TextEncoder().encode(key + PROOF)));
}

/**
 * Where the head of an answer ends.
 *
 * @param bytes What has arrived.
 * @returns The head, and how many bytes it takes with the empty line.
 */
export function headOf(
  bytes: Uint8Array,
): { readonly text: string; readonly size: number } | undefined {
  // A byte is a character here, so that places in the text are those of bytes.
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.indexOf("\r\n\r\n");
  return end < 0 ? undefined : { text: text.slice(0, end), size: end + 4 };
}

/**
 * Why an answer opens no WebSocket; nothing of its text is repeated.
 *
 * @param head Status line and headers.
 * @param accept What the server had to make of the key.
 */
export function refusalOf(head: string, accept: string): string | undefined {
  const status = /^HTTP\/1\.1 (\d{3})(?!\S)/.exec(head)?.[1];
  if (status === undefined) return "server does not speak HTTP/1.1";
  if (status !== "101") return `server answered with status ${status}`;
  const headers = headersOf(head);
  const isUpgraded = /^websocket$/i.test(headers.get("upgrade") ?? "") &&
    /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.get("connection") ?? "");
  if (!isUpgraded) return "server answered 101 without an upgrade";
  if (headers.get("sec-websocket-accept") !== accept) {
    return "server answered to another key";
  }
  // None was offered.
  const extra = headers.get("sec-websocket-extensions") ||
    headers.get("sec-websocket-protocol");
  return extra ? "server chose an extension or protocol" : undefined;
}

/** By name in small letters; those that come twice are one list. */
function headersOf(head: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
