import type { Driver } from "../driver/driver.ts";
import type { UrlSource } from "../driver/url.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { neonTarget } from "./_neon_target.ts";
import {
  HTTP_OPTIONS,
  httpDriver,
  httpTransport,
  type NeonHttpOptions,
} from "./http_driver.ts";
import {
  type NeonWebSocketOptions,
  WEBSOCKET_OPTIONS,
  webSocketDriver,
} from "./websocket_driver.ts";

/** How {@linkcode neon} connects. */
export interface NeonOptions extends NeonWebSocketOptions, NeonHttpOptions {
  /**
   * `auto`: reads, and whole units of work, are one HTTP request each, and a
   * WebSocket is opened for what needs a transaction that stays open. `http`:
   * requests only, as {@linkcode neonHttp}. `websocket`: connections only, as
   * {@linkcode neonWebSocket}.
   *
   * @default {"auto"}
   */
  readonly transport?: "auto" | "http" | "websocket";
}

const NEON_OPTIONS: OptionNames<NeonOptions> = {
  ...HTTP_OPTIONS,
  ...WEBSOCKET_OPTIONS,
  transport: true,
};

/**
 * The driver for Neon, and for whatever else speaks Neon's protocol.
 *
 * A session that only reads, or that commits what it has added and changed,
 * needs no connection: each is one HTTP request, whose pool is on Neon's side.
 * Anything else opens a WebSocket.
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
 * @param url The connection URL, or a function asked when it is first needed.
 * @param options How it connects.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When the URL is text and no connection URL, or there is
 * no option of a name.
 * @throws {RangeError} When an option has a value that is none of its own.
 */
export function neon(url: UrlSource, options: NeonOptions = {}): Driver {
  checkOptionNames("neon()", options, NEON_OPTIONS);
  const { transport = "auto" } = options;
  const target = neonTarget("neon", url);
  switch (transport) {
    case "http":
      return httpDriver(target, options);
    case "websocket":
      return webSocketDriver(target, options);
    case "auto":
      return {
        ...webSocketDriver(target, options),
        ...httpTransport(target, options),
      };
    default:
      throw new RangeError(
        'Cannot use option "transport": it is "auto", "http" or "websocket"',
      );
  }
}
