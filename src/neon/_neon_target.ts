import { LazyTarget, type UrlSource } from "../driver/url.ts";

/** URL parameters that change nothing: TLS is around all of it. */
const URL_PARAMS = ["sslmode", "channel_binding"];

/**
 * A database of Neon's, over whatever transport.
 *
 * @param name The driver's function, for messages.
 * @param url The URL, or a function that returns it.
 * @throws {TypeError} When the URL is text and no connection URL.
 */
export function neonTarget(name: string, url: UrlSource): LazyTarget {
  return new LazyTarget(name, url, URL_PARAMS);
}

/**
 * Whether a host is this machine, where there is no TLS and no proxy in front:
 * what `serveNeon` answers.
 *
 * @param host A host name or address.
 */
export function isLocal(host: string): boolean {
  return host === "localhost" || host === "127.0.0.1" ||
    host.endsWith(".localhost");
}
