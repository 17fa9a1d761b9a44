import { pipe } from "../support/pipe.ts";
import { tcpRelay } from "../support/tcp_relay.ts";
import { messagesIn, nameOf, type Rewrite } from "./login_faults.ts";

/** How a relay treats somebody who logs in. */
export interface LoginFaults {
  /** What the client says. */
  readonly client?: Rewrite;
  /** What the server says. */
  readonly server?: Rewrite;
}

/** Stands between a client and a server. */
export interface LoginRelay extends AsyncDisposable {
  /** The URL of a database behind it. */
  urlOf(url: string): string;
  /** From now on; at first there are none. */
  faults: LoginFaults;
}

/**
 * Makes a relay to a server on this machine that has faults until the server
 * is ready, as a pooler may that logs in by a code of its own.
 *
 * @param url The server's URL.
 */
export function loginRelay(url: string): LoginRelay {
  const relay = tcpRelay(url, async ({ client, server, close }) => {
    const { faults } = made;
    let isReady = false;
    function pass(bytes: Uint8Array, rewrite: Rewrite = (all) => all) {
      if (isReady) return bytes;
      const passed = rewrite(bytes);
      if (passed === undefined) close(client, server);
      return passed;
    }
    const up = pipe(client, server, (bytes) => pass(bytes, faults.client));
    const down = pipe(server, client, (bytes) => {
      const passed = pass(bytes, faults.server);
      isReady ||= passed !== undefined && messagesIn(passed).some(isReadiness);
      return passed;
    });
    await Promise.race([up, down]);
    close(client, server);
    await Promise.all([up, down]);
  });
  const made: LoginRelay = {
    faults: {},
    urlOf(database) {
      const behind = new URL(database);
      behind.port = String(relay.port);
      return behind.href;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
  return made;
}

function isReadiness(message: Uint8Array): boolean {
  return nameOf(message) === "Z";
}
