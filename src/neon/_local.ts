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
