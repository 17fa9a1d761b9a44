import {
  type BackendStream,
  PgClient,
  type PgClientConfig,
} from "./_pg_client.ts";

/** As whom, and to which database, somebody wants to log in. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Start-up parameter `application_name`. */
  readonly applicationName?: string;
  /** Start-up parameter `options`. */
  readonly options?: string;
}

/** What `serveNeon` stands in front of. */
export interface Backend {
  /** The credentials that the server's own URL names. */
  readonly defaultCredentials: Credentials;

  /** Whether a connection may be kept for the next HTTP request. */
  readonly keepsConnections: boolean;

  /** Where `pg` logs in: an address, or a stream to use instead. */
  target(): Pick<PgClientConfig, "host" | "port" | "stream">;

  /**
   * Cancels the statement that a connection is running.
   *
   * @param processId The connection's process.
   * @param secretKey Its key.
   * @returns When the request was delivered, or could not be.
   */
  cancel(processId: number, secretKey: number): Promise<void>;

  /** Closes what was opened for it, when all connections are closed. */
  close?(): Promise<void>;
}

/** A connection that is logged in. */
export interface Login {
  readonly client: PgClient;
  readonly credentials: Credentials;
  /** The parameters the server reported, such as `server_version`. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Logs in, whatever authentication method the backend asks for.
 *
 * @param backend Where.
 * @param credentials As whom.
 * @param signal Gives up; the connection is dropped.
 * @returns The connection.
 * @throws {Error} What `pg` reports: a refusal has a `severity`.
 */
export async function login(
  backend: Backend,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Login> {
  signal.throwIfAborted();
  const client = new PgClient(clientConfig(backend, credentials));
  const { connection } = client;
  // Without a listener a connection that breaks while idle ends the process.
  client.on("error", ignore);
  const parameters = new Map<string, string>();
  connection.on("parameterStatus", (message) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  function giveUp() {
    connection.stream.destroy();
  }
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect();
    return { client, credentials, parameters };
  } catch (error) {
    connection.stream.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/**
 * Takes the socket from below a logged-in client, which must not be used any
 * more. Call it in the same turn in which {@linkcode login} resolved: what the
 * server sends in between would go to the client.
 *
 * @param connection The connection.
 * @returns Its socket, without listeners.
 */
export function takeStream(connection: Login): BackendStream {
  const { stream } = connection.client.connection;
  for (const event of ["data", "error", "close", "end"]) {
    stream.removeAllListeners(event);
  }
  // A reset is followed by `close`, which is what counts.
  stream.on("error", ignore);
  return stream;
}

function clientConfig(
  backend: Backend,
  credentials: Credentials,
): PgClientConfig {
  const { user, password, database, applicationName, options } = credentials;
  return {
    ...backend.target(),
    user,
    database,
    password: () => password,
    ssl: false,
    ...(applicationName === undefined
      ? {}
      : { application_name: applicationName }),
    ...(options === undefined ? {} : { options }),
  };
}

function ignore(): void {}
