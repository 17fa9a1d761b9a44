import type { Connection } from "../../src/driver/connection.ts";
import type { Driver } from "../../src/driver/driver.ts";

/** Sends a flight over a connection, or does something else with it. */
export type Sender = (
  connection: Connection,
  ...flight: Parameters<Connection["send"]>
) => ReturnType<Connection["send"]>;

/** A driver whose connections send their flights by a function. */
export function sendingBy(driver: Driver, send: Sender): Driver {
  return {
    ...driver,
    async connect(options) {
      const connection = await driver.connect(options);
      return {
        get usable() {
          return connection.usable;
        },
        send: (...flight) => send(connection, ...flight),
        close: () => connection.close(),
      };
    },
  };
}
