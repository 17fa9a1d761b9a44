import { neonConfig } from "@neondatabase/serverless";

/**
 * Tells Neon's driver that its endpoint is on this machine, without TLS; all
 * else stays as it comes.
 *
 * @param url The endpoint.
 */
export function useLocalEndpoint(url: string): void {
  const { host } = new URL(url);
  neonConfig.fetchEndpoint = `http://${host}/sql`;
  neonConfig.wsProxy = () => `${host}/v2`;
  neonConfig.useSecureWebSocket = false;
}
