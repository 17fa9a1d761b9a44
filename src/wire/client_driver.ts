import { checkNumber } from "../driver/check_number.ts";
import type { Connection } from "../driver/connection.ts";
import type { ConnectOptions, Driver } from "../driver/driver.ts";
import { orGivenUp } from "../driver/give_up.ts";
import type { ConnectionTarget, LazyTarget } from "../driver/url.ts";
import { cancelRequest } from "./_cancel_request.ts";
import { guardParser } from "./_guard_parser.ts";
import type { WireClient } from "./client.ts";
import { CommandMessages } from "./_command_messages.ts";
import { ClientLogin, type Login } from "./login.ts";
import { WireConnection, type WireFormat } from "./wire_connection.ts";

/** Which attempt to log in it is. */
export interface LoginAttempt {
  /** Milliseconds that it may take; 0 is for ever. */
  readonly connectTimeout: number;
  /** Whether another one has failed by having said something too early. */
  readonly isSecond: boolean;
}

/** How a driver makes its clients. */
export interface ClientDriverConfig extends WireFormat {
  /** Its name in messages and events. */
  readonly name: string;
  /** Where it connects to. */
  readonly target: LazyTarget;
  /** Milliseconds until a connect is given up; 0 waits for ever. */
  readonly connectTimeout: number;
  /** Makes a client that is not connected yet. */
  readonly makeClient: (target: ConnectionTarget) => WireClient;
  /** How a client logs in, if not by its own means. */
  readonly makeLogin?: (client: WireClient, attempt: LoginAttempt) => Login;
}

/** The same, and what its clients have in common. */
interface Clients extends ClientDriverConfig {
  /** How they write commands. */
  readonly commands: CommandMessages;
}

/**
 * A driver whose connections are clients of `pg` or Neon.
 *
 * @param config How it makes them.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function clientDriver(config: ClientDriverConfig): Driver {
  const { connectTimeout, target } = config;
  checkNumber("connectTimeout", connectTimeout, "milliseconds");
  const clients = { ...config, commands: new CommandMessages() };
  return {
    name: config.name,
    describe: () => target.describe(),
    address: () => target.address,
    async connect(options = {}) {
      options.signal?.throwIfAborted();
      // It is asked for once, and a wait costs a timer.
      const found = target.found ?? await orGivenUp(target.find(), {
        signal: options.signal,
        timeout: connectTimeout,
      });
      return await connectClient(clients, found, options, {
        connectTimeout,
        isSecond: false,
      });
    },
  };
}

async function connectClient(
  clients: Clients,
  target: ConnectionTarget,
  options: ConnectOptions,
  attempt: LoginAttempt,
): Promise<Connection> {
  const { signal } = options;
  const { connectTimeout } = attempt;
  signal?.throwIfAborted();
  const start = performance.now();
  const client = makeClient(clients, target);
  const login = clients.makeLogin?.(client, attempt) ?? new ClientLogin(client);
  const connection = new WireConnection(client, {
    wire: clients,
    commands: clients.commands,
    login,
    cancel: () => cancelRequest(client, makeClient(clients, target), target),
  });
  try {
    await orGivenUp(connection.connect(), { signal, timeout: connectTimeout });
    return connection;
  } catch (error) {
    if (signal?.aborted) login.abandon();
    client.connection.stream.destroy();
    if (!login.wasTooEarly || attempt.isSecond) throw error;
    const left = connectTimeout - (performance.now() - start);
    return await connectClient(clients, target, options, {
      connectTimeout: connectTimeout && Math.max(left, 1),
      isSecond: true,
    });
  }
}

function makeClient(
  config: ClientDriverConfig,
  target: ConnectionTarget,
): WireClient {
  const client = config.makeClient(target);
  guardParser(client.connection);
  // What the URL leaves out the packages have taken from the environment
  // (PGPASSWORD, PGOPTIONS, PGAPPNAME), or look for in ~/.pgpass.
  const password = target.password ?? "";
  client.password = password;
  Object.assign(client.connectionParameters, {
    password,
    application_name: target.params.get("application_name"),
    options: undefined,
    replication: undefined,
  });
  return client;
}
