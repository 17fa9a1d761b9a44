import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";

/** The mechanism's name. */
export const SCRAM = "SCRAM-SHA-256";

/**
 * More than this is refused, as `pg` does: whoever stands there could keep a
 * processor busy. PostgreSQL's default is 4,096.
 */
const MAX_ITERATIONS = 100_000;

/** The password itself is not to be had back. */
const isExtractable = false;

/** No channel binding. */
const HEADER = "n,,";

/** What a server has said first. */
export interface Challenge {
  /** All of it. */
  readonly text: string;
  /** The client's nonce, and the server's behind it. */
  readonly nonce: string;
  /** Base64. */
  readonly salt: string;
  /** How often the password is hashed. */
  readonly iterations: number;
}

/** What is made of a password, a salt and a count. */
export interface ScramKeys {
  readonly client: Buffer;
  readonly stored: Buffer;
  readonly server: Buffer;
}

/** The client's last message, and what proves that the server is the right one. */
export interface Proof {
  readonly message: string;
  /** The server's last message. */
  readonly expected: string;
}

/** A nonce of the client. */
export function makeNonce(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(18)))
    .toString("base64");
}

/** The client's first message; PostgreSQL takes the role from the start-up. */
export function firstMessage(nonce: string): string {
  return `${HEADER}${firstBare(nonce)}`;
}

function firstBare(nonce: string): string {
  return `n=,r=${nonce}`;
}

/**
 * Reads the server's first message.
 *
 * @param text The message.
 * @param nonce The client's.
 * @returns What it asks for, or why that is not to be had.
 */
export function readChallenge(
  text: string,
  nonce: string,
): Challenge | Error {
  const found =
    /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9]\d{0,8})(?:,.*)?$/
      .exec(text);
  const [, both = "", salt = "", count = ""] = found ?? [];
  // The server's part must not be empty.
  if (!both.startsWith(nonce) || both.length === nonce.length) {
    return new Error("the server's SCRAM challenge cannot be read");
  }
  const iterations = Number(count);
  if (iterations > MAX_ITERATIONS) {
    return new Error(
      `the server's SCRAM challenge asks for ${count} iterations; at most ${MAX_ITERATIONS} are made`,
    );
  }
  return { text, nonce: both, salt, iterations };
}

/**
 * Makes the keys of a password.
 *
 * By the runtime's `crypto.subtle`, which takes a third of what `node:crypto`
 * does on Deno (2.9, measured), and does not hold up the thread.
 *
 * @param password As the URL has it.
 * @param challenge Salt and count.
 */
export async function deriveKeys(
  password: string,
  { salt, iterations }: Challenge,
): Promise<ScramKeys> {
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(normalize(password)),
    "PBKDF2",
    isExtractable,
    ["deriveBits"],
  );
  const salted = Buffer.from(
    await crypto.subtle.deriveBits(
      {
        name: "PBKDF2",
        hash: "SHA-256",
        salt: Buffer.from(salt, "base64"),
        iterations,
      },
      key,
      256,
    ),
  );
  const client = hmac(salted, "Client Key");
  return {
    client,
    stored: createHash("sha256").update(client).digest(),
    server: hmac(salted, "Server Key"),
  };
}

/**
 * Answers a challenge (RFC 5802, section 3; RFC 7677).
 *
 * @param challenge The server's.
 * @param nonce The client's.
 * @param keys Of the password.
 */
export function prove(
  challenge: Challenge,
  nonce: string,
  keys: ScramKeys,
): Proof {
  const header = Buffer.from(HEADER).toString("base64");
  const withoutProof = `c=${header},r=${challenge.nonce}`;
  const signed = [firstBare(nonce), challenge.text, withoutProof].join();
  const signature = hmac(keys.stored, signed);
  const proof = Buffer.from(
    keys.client.map((byte, at) => byte ^ (signature[at] ?? 0)),
  );
  return {
    message: `${withoutProof},p=${proof.toString("base64")}`,
    expected: `v=${hmac(keys.server, signed).toString("base64")}`,
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/**
 * SASLprep (RFC 4013) as PostgreSQL does it: other spaces are spaces, what
 * nobody sees is nothing, and NFKC; but a password that has what must not be in
 * one is taken as it is. Of that only control characters, private ones and
 * emoji are looked for (which Unicode 3.2 did not know), not what else is newer,
 * nor directions of writing.
 */
function normalize(password: string): string {
  if (/[\p{Cc}\p{Co}\u{1D800}-\u{1FFFD}]/u.test(password)) return password;
  const prepared = password
    .replace(/[\u00A0\u1680\u2000-\u200B\u202F\u205F\u3000]/g, " ")
    .replace(
      /\u00AD|\u034F|\u1806|[\u180B-\u180D]|[\u200C\u200D]|\u2060|[\uFE00-\uFE0F]|\uFEFF/g,
      "",
    )
    .normalize("NFKC");
  return prepared === "" ? password : prepared;
}
