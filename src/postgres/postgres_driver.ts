import pg from "pg";
import type { Driver } from "../driver/driver.ts";
import {
  type ConnectionTarget,
  LazyTarget,
  type UrlSource,
} from "../driver/url.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import type { WireClient } from "../wire/client.ts";
import { clientDriver } from "../wire/client_driver.ts";
import { typeParsers } from "../wire/type_parsers.ts";
import { LoginMemory } from "./_login_memory.ts";
import { ScramLogin } from "./_scram_login.ts";
import { tlsFor } from "./_tls.ts";

/** How {@linkcode postgres} connects. */
export interface PostgresOptions {
  /**
   * Milliseconds until a connect is given up; 0 waits for ever.
   *
   * @default {10_000}
   */
  readonly connectTimeout?: number;
  /**
   * TLS settings as `node:tls` takes them, such as `{ ca }`: the certificate,
   * as PEM, of the authority that has signed the server's. They take the place
   * of the URL's `sslmode`.
   *
   * On Workers they only say that there is TLS: the runtime verifies, by the
   * authorities that it knows.
   */
  readonly tls?: Readonly<Record<string, unknown>>;
  /**
   * Whether statements go out before the answers to those ahead of them, and
   * the first ones before a login is answered. Turn it off for a proxy that
   * cannot have that: each statement, BEGIN and COMMIT included, is a round trip
   * then.
   *
   * @default {true}
   */
  readonly pipeline?: boolean;
}

const POSTGRES_OPTIONS: OptionNames<PostgresOptions> = {
  connectTimeout: true,
  tls: true,
  pipeline: true,
};

/** Bytes that are sent at once: what a socket takes without waiting. */
const PIECE_SIZE = 65_536;

const URL_PARAMS = [
  "sslmode",
  "sslnegotiation",
  "application_name",
  "channel_binding",
];

/**
 * A driver over TCP, by the package `pg`: PostgreSQL itself, PgBouncer,
 * Hyperdrive (give it `env.HYPERDRIVE.connectionString`), also on Workers.
 *
 * It is safe behind a pooler in transaction mode: statements are unnamed,
 * settings are local to the transaction and no start-up option is sent, not
 * even what `PGOPTIONS` has.
 *
 * From its second connection on a login by SCRAM-SHA-256 costs two round trips
 * less than the protocol's order of question and answer, and the first flight
 * goes along with its last message: behind TCP and TLS an answer takes two. The
 * keys that are made of the password are kept (RFC 5802, section 3). That a
 * server knows the password is shown by its answer, so that the first
 * statements are on their way by then: without verified TLS they may be read by
 * whoever stands at its address. A server that asks for SCRAM and does not
 * prove itself is believed nothing; one that asks for another login, or none,
 * is believed: only verified TLS says who it is.
 *
 * TLS follows the URL's `sslmode`: none without it or with `disable`,
 * unverified with `no-verify` (but on Workers), and with `require`, `verify-ca`
 * and `verify-full` alike it is verified: authority, name and date. With
 * `channel_binding=require` there is no login but over verified TLS, which names
 * the server as well as a bound login would; the login itself is not bound.
 * `sslnegotiation=direct` begins with TLS and saves the round trip that asks for
 * it: PostgreSQL takes that from 17 on, and `pg` from 8.22, but not on Workers.
 *
 * @example An engine over TCP
 * ```ts
 * import { createEngine } from "@nullpool/db";
 * import { postgres } from "@nullpool/db/postgres";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(postgres("postgres://app:secret@127.0.0.1:5432/app"));
 * assertEquals(engine.driver.name, "postgres");
 * ```
 *
 * @param url The connection URL, or a function asked at the first connect.
 * @param options How it connects.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When the URL is text and no connection URL.
 * @throws {RangeError} When `connectTimeout` is not a number of milliseconds.
 */
export function postgres(
  url: UrlSource,
  options: PostgresOptions = {},
): Driver {
  checkOptionNames("postgres()", options, POSTGRES_OPTIONS);
  const { pipeline = true } = options;
  const memory = new LoginMemory();
  return clientDriver({
    name: "postgres",
    target: new LazyTarget("postgres", url, URL_PARAMS),
    connectTimeout: options.connectTimeout ?? 10_000,
    parserOf: typeParsers(pg.types),
    pieceSize: PIECE_SIZE,
    pipeline,
    makeClient: (target) => makeClient(target, options),
    makeLogin: (client, { connectTimeout, isSecond }) => {
      const early = pipeline && !isSecond ? memory.take() : "nothing";
      return new ScramLogin(client, { memory, early, connectTimeout });
    },
  });
}

function makeClient(
  target: ConnectionTarget,
  options: PostgresOptions,
): WireClient {
  return new pg.Client({
    host: target.host,
    port: target.port,
    database: target.database,
    user: target.user,
    ...tlsFor(target, options.tls),
  });
}
