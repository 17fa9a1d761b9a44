import type { Driver } from "../driver/driver.ts";
import type { UrlSource } from "../driver/url.ts";
import {
  neonWebSocket,
  type NeonWebSocketOptions,
} from "./websocket_driver.ts";

/** How {@linkcode neon} connects. */
export interface NeonOptions extends NeonWebSocketOptions {}

/**
 * The driver for Neon, and for whatever else speaks Neon's protocol.
 *
 * Every transaction runs over a WebSocket today.
 *
 * @example An engine on Neon
 * ```ts
 * import { createEngine } from "@nullpool/db";
 * import { neon } from "@nullpool/db/neon";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(neon(() => Deno.env.get("DATABASE_URL")));
 * assertEquals(engine.driver.name, "neon");
 * ```
 *
 * @param url The connection URL, or a function asked at the first connect.
 * @param options How it connects.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When the URL is text and no connection URL.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function neon(url: UrlSource, options: NeonOptions = {}): Driver {
  return neonWebSocket(url, options);
}
