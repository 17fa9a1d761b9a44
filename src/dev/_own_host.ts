/** Names of this machine that no server in the network can give itself. */
const LOOPBACK = /^(?:(?:[^.]+\.)*localhost|127(?:\.\d+){3}|\[::1\]|::1)$/i;

/** Under which names a server is asked. */
export interface OwnHosts {
  /** The address that it listens on. */
  readonly hostname: string;
  /** Other names that lead to it, in lower case. */
  readonly allowedHosts: readonly string[];
}

/**
 * Whether a request is meant for this server. A page of anybody can let its own
 * name point to this machine, and a browser would then send what it asks for
 * here (DNS rebinding): the header says which name was asked for.
 *
 * @param host The header `Host`.
 * @param own Which address the server listens on; one that is not of this
 * machine alone was chosen so, and anybody may ask. And other names of it.
 */
export function isOwnHost(
  host: string | undefined,
  { hostname, allowedHosts }: OwnHosts,
): boolean {
  if (!LOOPBACK.test(hostname)) return true;
  const name = host?.replace(/:\d*$/, "").toLowerCase();
  if (name === undefined) return false;
  return LOOPBACK.test(name) || allowedHosts.includes(name);
}
