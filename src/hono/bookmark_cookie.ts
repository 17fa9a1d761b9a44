import type { Context } from "hono";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { Bookmark, isLogPosition } from "../session/bookmark.ts";
import { isCopyable } from "./_is_copyable.ts";

/** How a user's writes are seen by the same user's next requests. */
export interface ReadYourWritesOptions {
  /** Signs the cookie: 32 characters or more that nobody can guess. */
  readonly secret: string;
  /**
   * The cookie's name: another one for each database, whose log is its own.
   *
   * @default {"nullpool-bookmark"}
   */
  readonly cookie?: string;
  /**
   * Seconds for which it is kept: as long as a replica may lag at the most.
   *
   * @default {60}
   */
  readonly maxAge?: number;
}

const COOKIE_OPTIONS: OptionNames<ReadYourWritesOptions> = {
  secret: true,
  cookie: true,
  maxAge: true,
};

const MIN_SECRET_LENGTH = 32;

/** What the middlewares of a request share, which may be one around another. */
interface SharedBookmark {
  readonly bookmark: Bookmark;
  /** How many of them are running. */
  users: number;
}

/** What sessions of the request are opened with. */
interface SharedOptions {
  readonly readYourWrites: true;
  readonly bookmark: Bookmark;
}

/** Of requests, by the cookie's name. */
const SHARED = new WeakMap<Context, Map<string, SharedBookmark>>();

/**
 * Carries the position of a user's last write from one request to the next. It
 * is signed: a forged one would send all of its bearer's reads to the primary.
 */
export class BookmarkCookie {
  readonly #name: string;
  readonly #maxAge: number;
  readonly #secret: string;
  #key: Promise<CryptoKey> | undefined;

  /**
   * @param options How it is signed and kept.
   * @throws {TypeError} When the secret is none.
   * @throws {RangeError} When it is too short.
   */
  constructor(options: ReadYourWritesOptions) {
    checkOptionNames("readYourWrites", options, COOKIE_OPTIONS);
    const { secret, cookie, maxAge } = options;
    if (typeof secret !== "string") {
      throw new TypeError('Cannot use option "secret": it is a string');
    }
    if (secret.length < MIN_SECRET_LENGTH) {
      throw new RangeError(
        `Cannot use option "secret": it has ${MIN_SECRET_LENGTH} characters or more`,
      );
    }
    this.#secret = secret;
    this.#name = cookie ?? "nullpool-bookmark";
    this.#maxAge = maxAge ?? 60;
  }

  /**
   * What the sessions of a request share: a bookmark that knows what the cookie
   * tells. Who asks for it calls `write` at the end.
   *
   * @param c Context of the request.
   */
  async open(c: Context): Promise<SharedOptions> {
    const named = SHARED.get(c) ?? new Map<string, SharedBookmark>();
    SHARED.set(c, named);
    const given = await this.#read(c);
    const shared = named.get(this.#name) ??
      { bookmark: new Bookmark(given), users: 0 };
    named.set(this.#name, shared);
    shared.users++;
    return { readYourWrites: true, bookmark: shared.bookmark };
  }

  /** Nothing where a request has none, or somebody else has written it. */
  async #read(c: Context): Promise<string | undefined> {
    const value = cookieOf(c.req.header("cookie") ?? "", this.#name);
    const [position = "", signature = ""] = value?.split(".") ?? [];
    if (!isLogPosition(position)) return undefined;
    const isOurs = await crypto.subtle.verify(
      "HMAC",
      await this.#importKey(),
      bytesOf(signature),
      new TextEncoder().encode(position),
    );
    return isOurs ? position : undefined;
  }

  /**
   * Tells with the response what its sessions have noted, when the last of its
   * middlewares has ended, and if that can have one more header.
   *
   * @param c Context of the request.
   */
  async write(c: Context): Promise<void> {
    const shared = SHARED.get(c)?.get(this.#name);
    if (shared === undefined || --shared.users > 0) return;
    const { noted } = shared.bookmark;
    // The request has written nothing.
    if (noted === undefined) return;
    // The commit is done: it is no reason to take the answer back.
    if (c.finalized && !isCopyable(c.res)) return;
    const signature = await crypto.subtle.sign(
      "HMAC",
      await this.#importKey(),
      new TextEncoder().encode(noted),
    );
    const value = `${noted}.${textOf(new Uint8Array(signature))}`;
    c.header(
      "set-cookie",
      `${this.#name}=${value}; Max-Age=${this.#maxAge}; Path=/; HttpOnly; SameSite=Lax`,
      APPEND,
    );
  }

  #importKey(): Promise<CryptoKey> {
    const isExtractable = false;
    this.#key ??= crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode(this.#secret),
      { name: "HMAC", hash: "SHA-256" },
      isExtractable,
      ["sign", "verify"],
    );
    return this.#key;
  }
}

const APPEND = { append: true };

function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** Of text that is no such number, other bytes. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const pairs = text.match(/[0-9a-f]{2}/g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}
