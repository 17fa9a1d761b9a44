import type { Connection } from "../driver/connection.ts";
import type { ConnectOptions, Driver } from "../driver/driver.ts";
import type { FlightResult, Statement } from "../driver/statement.ts";
import type { Emitter } from "../events/emitter.ts";

/**
 * The driver as a pool sees it: every connection that is opened or closed is
 * told to the engine's listeners, whatever pool does it.
 *
 * @param driver The user's driver.
 * @param emitter Tells.
 */
export function observedDriver(driver: Driver, emitter: Emitter): Driver {
  return {
    name: driver.name,
    maxConnections: driver.maxConnections,
    describe: () => driver.describe(),
    address: () => driver.address?.(),
    async connect(options?: ConnectOptions): Promise<Connection> {
      const start = performance.now();
      const connection = await driver.connect(options);
      emitter.emit({
        type: "connect",
        session: options?.holder,
        address: driver.address?.(),
        duration: performance.now() - start,
      });
      return new ObservedConnection(connection, emitter);
    },
  };
}

class ObservedConnection implements Connection {
  readonly #connection: Connection;
  readonly #emitter: Emitter;

  constructor(connection: Connection, emitter: Emitter) {
    this.#connection = connection;
    this.#emitter = emitter;
  }

  get usable(): boolean {
    return this.#connection.usable;
  }

  get isLoggedIn(): boolean | undefined {
    return this.#connection.isLoggedIn;
  }

  send(
    statements: readonly Statement[],
    onProgress?: () => void,
  ): Promise<FlightResult> {
    return this.#connection.send(statements, onProgress);
  }

  async close(): Promise<void> {
    await this.#connection.close();
    this.#emitter.emit({ type: "close" });
  }
}
