import { neon } from "../src/neon/mod.ts";
import { nullpool } from "./nullpool.ts";
import type { Peer } from "./peer.ts";

/** `neon(url)`: requests, and a WebSocket where a transaction stays open. */
export const nullpoolNeon: Peer = nullpool((url) => neon(url));

/** Neon without requests. */
export const nullpoolWebSocket: Peer = nullpool(
  (url) => neon(url, { transport: "websocket" }),
);
