import type { Context } from "hono";
import { isOwnHost } from "./_own_host.ts";

/** What a proxy adds: behind one, everybody seems to be this machine. */
const PROXY_HEADERS = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-real-ip",
];

/** Names of this machine alone. */
const LOOPBACK = { hostname: "localhost", allowedHosts: [] };

const LOOPBACK_ADDRESS = /^(?:::ffff:)?127(?:\.\d{1,3}){3}$|^::1$/i;

/**
 * Whether a request comes from this machine, and asks for it under one of its
 * own names (so that no page of anybody can ask in the name of its reader's
 * browser). Where the runtime does not say who is connected, it does not.
 *
 * @param c Context of the request.
 */
export function isFromHere(c: Context): boolean {
  const address = remoteAddress(c.env, c.req.raw);
  // HTTP/2 has no such header.
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return address !== undefined && LOOPBACK_ADDRESS.test(address) &&
    isOwnHost(host, LOOPBACK) && isOwnPage(c.req.header("origin"), host) &&
    PROXY_HEADERS.every((name) => c.req.header(name) === undefined);
}

/** The page of another server can ask where the app has CORS for everything. */
function isOwnPage(origin: string | undefined, host: string): boolean {
  return origin === undefined ||
    origin.toLowerCase().replace(/^https?:\/\//, "") === host.toLowerCase();
}

/**
 * The address at the other end of a request's connection, as Deno, Node (with
 * `@hono/node-server`) and Bun tell it.
 *
 * @param env What the server gave the app besides the request.
 * @param request The request.
 */
export function remoteAddress(
  env: unknown,
  request: Request,
): string | undefined {
  const address = property(env, "remoteAddr", "hostname") ??
    property(env, "incoming", "socket", "remoteAddress") ??
    property(bunAddress(env, request), "address") ??
    property(bunAddress(property(env, "server"), request), "address");
  return typeof address === "string" ? address : undefined;
}

/** `server.requestIP(request)`. */
function bunAddress(server: unknown, request: Request): unknown {
  return isServer(server) ? server.requestIP(request) : undefined;
}

interface BunServer {
  requestIP(request: Request): unknown;
}

function isServer(value: unknown): value is BunServer {
  return typeof property(value, "requestIP") === "function";
}

function property(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (each, name) =>
      typeof each === "object" && each !== null
        ? Reflect.get(each, name)
        : undefined,
    value,
  );
}
