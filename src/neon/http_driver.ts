import { types } from "@neondatabase/serverless";
import { checkNumber } from "../driver/check_number.ts";
import type { Driver, SendOptions } from "../driver/driver.ts";
import { orGivenUp } from "../driver/give_up.ts";
import type { FlightResult, Statement } from "../driver/statement.ts";
import type { LazyTarget, UrlSource } from "../driver/url.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { NullpoolError } from "../errors/error.ts";
import { StateError } from "../errors/state_error.ts";
import { typeParsers } from "../wire/type_parsers.ts";
import { readAnswer } from "./_http_answer.ts";
import {
  httpFailure,
  noAnswer,
  noRequest,
  unexecuted,
} from "./_http_failure.ts";
import {
  type HttpEndpoint,
  httpEndpoint,
  type HttpRequest,
  httpRequest,
} from "./_http_request.ts";
import { neonTarget } from "./_neon_target.ts";

/** How {@linkcode neonHttp} asks. */
export interface NeonHttpOptions {
  /**
   * How many bytes a whole unit of work may have to be sent as one request,
   * about. Neon's endpoint takes 10 MiB.
   *
   * @default {8_388_608}
   */
  readonly maxBatchBytes?: number;
  /**
   * Sends requests; a function of `fetch`'s shape. It must not follow
   * redirects (`redirect: "manual"`): the password would go along.
   *
   * @default {globalThis.fetch}
   */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** Their names. */
export const HTTP_OPTIONS: OptionNames<NeonHttpOptions> = {
  maxBatchBytes: true,
  fetch: true,
};

const parserOf = typeParsers(types);

/**
 * Neon's proxy counts them in half of the 16 bits that PostgreSQL has for it
 * (its `libs/proxy/tokio-postgres2`), and answers more of them with 500.
 */
const MAX_PARAMS = 32_767;

/**
 * A driver for Neon's protocol over HTTP alone: a transaction is one request,
 * and there is never a connection. What needs one (a statement that may write
 * and is answered before the commit, a lock, a savepoint, a snapshot) is a
 * `StateError`; {@linkcode neon} opens a WebSocket for it.
 *
 * @example A driver without connections
 * ```ts
 * import { neonHttp } from "@nullpool/db/neon";
 * import { assertEquals } from "@std/assert";
 *
 * const driver = neonHttp("postgres://app:secret@ep-x.eu.aws.neon.tech/app");
 * assertEquals(driver.name, "neon-http");
 * ```
 *
 * @param url The connection URL, or a function asked at the first request.
 * @param options How it asks.
 * @returns The driver, for `createEngine`.
 * @throws {TypeError} When the URL is text and no connection URL, or there is
 * no option of a name.
 * @throws {RangeError} When a number is out of range.
 */
export function neonHttp(
  url: UrlSource,
  options: NeonHttpOptions = {},
): Driver {
  checkOptionNames("neonHttp()", options, HTTP_OPTIONS);
  return httpDriver(neonTarget("neonHttp", url), options);
}

/**
 * A driver that has nothing but HTTP.
 *
 * @param target Where to.
 * @param options How.
 * @throws {RangeError} When a number is out of range.
 */
export function httpDriver(
  target: LazyTarget,
  options: NeonHttpOptions,
): Driver {
  return {
    name: "neon-http",
    describe: () => target.describe(),
    address: () => target.address,
    maxConnections: 0,
    ...httpTransport(target, options),
    connect: () =>
      Promise.reject(
        new StateError(
          "NO_CONNECTION",
          "Cannot connect: neonHttp() has no connections; use neon(), which opens one where it is needed",
        ),
      ),
  };
}

/**
 * What a driver needs to send whole transactions over HTTP.
 *
 * @param target Where to.
 * @param options How.
 * @throws {RangeError} When a number is out of range.
 */
export function httpTransport(
  target: LazyTarget,
  options: NeonHttpOptions,
): Pick<Driver, "sendTransaction" | "maxBatchBytes" | "maxBatchParams"> {
  const { maxBatchBytes = 8 * 1024 * 1024 } = options;
  checkNumber("maxBatchBytes", maxBatchBytes, "bytes");
  const sender = new HttpSender(target, options.fetch);
  return {
    maxBatchBytes,
    maxBatchParams: MAX_PARAMS,
    sendTransaction: (statements, send) => sender.send(statements, send),
  };
}

/** Without a URL there is nobody to ask, and nothing was sent. */
const UNREACHED = { results: [], isLoginRefused: true, isUnsent: true };

/** Sends transactions to a database, each as one request. */
class HttpSender {
  readonly #target: LazyTarget;
  readonly #ownFetch: NeonHttpOptions["fetch"];
  #endpoint: HttpEndpoint | undefined;

  constructor(target: LazyTarget, ownFetch: NeonHttpOptions["fetch"]) {
    this.#target = target;
    this.#ownFetch = ownFetch;
  }

  /** It never rejects: what went wrong is told in the result. */
  async send(
    statements: readonly Statement[],
    send: SendOptions,
  ): Promise<FlightResult> {
    let endpoint: HttpEndpoint;
    try {
      endpoint = this.#endpoint ??= await this.#find(send);
    } catch (error) {
      return { ...UNREACHED, failure: unexecuted(error) };
    }
    const { attempt } = endpoint;
    const request = httpRequest(endpoint, statements, send);
    try {
      // A `fetch` of the caller's may hear of no signal, and a body may hang.
      const { signal } = send;
      const { status, body } = await orGivenUp(this.#ask(request), { signal });
      if (status !== 200) {
        return { results: [], failure: httpFailure(attempt, status, body) };
      }
      return readAnswer(attempt, body, statements, parserOf);
    } catch (error) {
      if (error instanceof NullpoolError) {
        return { results: [], failure: error };
      }
      const failure = isRequest(request)
        ? noAnswer(attempt, error)
        : noRequest(attempt);
      return { results: [], failure };
    }
  }

  /** The URL is the caller's to find, and that may take for ever. */
  async #find({ signal }: SendOptions): Promise<HttpEndpoint> {
    return httpEndpoint(await orGivenUp(this.#target.find(), { signal }));
  }

  async #ask({ url, init }: HttpRequest): Promise<HttpAnswer> {
    // The global one is looked up each time: somebody may have replaced it.
    const ask = this.#ownFetch ?? fetch;
    const response = await ask(url, init);
    return { status: response.status, body: await response.text() };
  }
}

/** Whether `fetch` had anything to send: it throws of a header that is none. */
function isRequest({ url, init: { headers = {} } }: HttpRequest): boolean {
  try {
    new Request(url, { headers });
    return true;
  } catch {
    return false;
  }
}

/** What was answered. */
interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}
