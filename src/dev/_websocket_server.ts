import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer as WsServer } from "ws";
import type { TunnelSocket } from "./_websocket_tunnel.ts";

/** The part of `ws`'s server that is used. */
export interface WebSocketServer {
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    opened: (socket: TunnelSocket) => void,
  ): void;
}

/** The server class of `ws`, which ships no types. */
export const WebSocketServer: new (
  options: {
    readonly noServer: boolean;
    readonly perMessageDeflate: boolean;
    readonly maxPayload: number;
  },
) => WebSocketServer = WsServer;
