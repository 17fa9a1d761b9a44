/**
 * The driver for Neon's protocol.
 *
 * @module
 */
export { neonHttp, type NeonHttpOptions } from "./http_driver.ts";
export { neon, type NeonOptions } from "./neon_driver.ts";
export {
  neonWebSocket,
  type NeonWebSocketOptions,
  type WebSocketConstructor,
} from "./websocket_driver.ts";
