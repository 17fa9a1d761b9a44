import type { Connection } from "../driver/connection.ts";
import type { ConnectOptions, Driver } from "../driver/driver.ts";
import { orGivenUp } from "../driver/give_up.ts";
import {
  type ConnectionTarget,
  describeTarget,
  parseConnectionUrl,
  resolveUrl,
  type UrlSource,
} from "../driver/url.ts";
import type { WireClient } from "./client.ts";
import { WireConnection, type WireFormat } from "./wire_connection.ts";

/** How a driver makes its clients. */
export interface ClientDriverConfig extends WireFormat {
  /** Its name in messages and events. */
  readonly name: string;
  /** Where it connects to. */
  readonly url: UrlSource;
  /** URL parameters that it honours; any other is refused. */
  readonly urlParams: readonly string[];
  /** Milliseconds until a connect is given up; 0 waits for ever. */
  readonly connectTimeout: number;
  /** Makes a client that is not connected yet. */
  readonly makeClient: (target: ConnectionTarget) => WireClient;
}

/**
 * A driver whose connections are clients of `pg` or Neon.
 *
 * @param config How it makes them.
 * @throws {TypeError} When the URL is text and no connection URL.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function clientDriver(config: ClientDriverConfig): Driver {
  const { connectTimeout } = config;
  if (!Number.isFinite(connectTimeout) || connectTimeout < 0) {
    throw new RangeError(
      'Cannot use option "connectTimeout": it is a number of milliseconds, 0 or more',
    );
  }
  if (typeof config.url === "string") parseConnectionUrl(config.url);
  let target: ConnectionTarget | undefined;
  return {
    name: config.name,
    describe: () =>
      target === undefined
        ? `the database of ${config.name}()`
        : describeTarget(target),
    async connect(options = {}) {
      options.signal?.throwIfAborted();
      target ??= await orGivenUp(
        resolveUrl(config.url, config.urlParams),
        { signal: options.signal, timeout: config.connectTimeout },
      );
      return await connectClient(config, target, options);
    },
  };
}

async function connectClient(
  config: ClientDriverConfig,
  target: ConnectionTarget,
  { signal }: ConnectOptions,
): Promise<Connection> {
  signal?.throwIfAborted();
  const client = config.makeClient(target);
  const connection = new WireConnection(client, config);
  try {
    await orGivenUp(client.connect(), {
      signal,
      timeout: config.connectTimeout,
    });
    return connection;
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}
