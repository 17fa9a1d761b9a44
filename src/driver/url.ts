import type { DatabaseAddress } from "./driver.ts";

/** A connection URL, or a function that is asked at the first connect. */
export type UrlSource =
  | string
  | (() => string | undefined | Promise<string | undefined>);

/** A connection URL taken apart. */
export interface ConnectionTarget {
  /** Host name or address. */
  readonly host: string;
  /** Port. */
  readonly port: number;
  /** Database name. */
  readonly database: string;
  /** Role. */
  readonly user: string;
  /** Password, if the URL has one. */
  readonly password: string | undefined;
  /** The URL's parameters. */
  readonly params: ReadonlyMap<string, string>;
}

/**
 * Takes a connection URL apart. No message of it ever repeats the URL.
 *
 * @param url `postgres://user:password@host:port/database?parameter=value`.
 * @returns Its parts; the database defaults to the user's name, as in libpq.
 * @throws {TypeError} When it is not such a URL, naming the part that is wrong.
 */
export function parseConnectionUrl(url: string): ConnectionTarget {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (
    parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)
  ) {
    throw new TypeError(
      "Cannot use the database URL: expected postgres://user:password@host/database",
    );
  }
  refuseUnencoded(parsed);
  // It would end its part of the login; what follows would be settings of it.
  if (parsed.href.includes("%00")) {
    throw new TypeError("Cannot use the database URL: it has a %00");
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  const user = decodePart("user", parsed.username);
  if (host === "" || user === "") {
    throw new TypeError(
      `Cannot use the database URL: it has no ${host === "" ? "host" : "user"}`,
    );
  }
  return {
    host: decodePart("host", host),
    port: parsed.port === "" ? 5432 : Number(parsed.port),
    database: decodePart("database", parsed.pathname.slice(1)) || user,
    user,
    password: parsed.password === ""
      ? undefined
      : decodePart("password", parsed.password),
    params: new Map(parsed.searchParams),
  };
}

/**
 * A password with "/", "?" or "#" in it ends the part of the host: the rest of
 * it would be told as the name of a host, a database or a parameter.
 */
function refuseUnencoded({ pathname, search, hash }: URL): void {
  if (hash === "" && !`${pathname}${search}`.includes("@")) return;
  throw new TypeError(
    'Cannot use the database URL: there is a "#", or an "@" behind its host; in its parts write "#", "/", "?" and "@" as %23, %2F, %3F and %40',
  );
}

/**
 * Asks a URL source, checks the answer and takes it apart.
 *
 * @param source The URL or a function that returns it.
 * @param allowedParams The parameters that the driver honours.
 * @returns The target.
 * @throws {TypeError} When there is no URL, or a parameter would be ignored.
 */
export async function resolveUrl(
  source: UrlSource,
  allowedParams: readonly string[],
): Promise<ConnectionTarget> {
  const url = typeof source === "function" ? await source() : source;
  if (typeof url !== "string" || url === "") {
    throw new TypeError(
      "Cannot connect: the database URL is missing; is an environment variable or binding not set?",
    );
  }
  const target = parseConnectionUrl(url);
  for (const name of target.params.keys()) {
    if (!allowedParams.includes(name)) {
      throw new TypeError(
        `Cannot use the database URL: its parameter "${name}" would be ignored; allowed are ${
          allowedParams.join(", ")
        }`,
      );
    }
  }
  return target;
}

/**
 * Names a target in messages.
 *
 * @param target The target.
 * @returns Database, host and port; no user and no password.
 */
export function describeTarget(target: ConnectionTarget): string {
  return `database "${target.database}" at ${target.host}:${target.port}`;
}

function addressOf(
  { host, port, database }: ConnectionTarget,
): DatabaseAddress {
  return { host, port, database };
}

function decodePart(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(
      `Cannot use the database URL: its ${name} is not percent-encoded; write "%" as "%25"`,
    );
  }
}

/** A database that is looked up when it is first needed. */
export class LazyTarget {
  readonly #name: string;
  readonly #source: UrlSource;
  readonly #allowedParams: readonly string[];
  #found: ConnectionTarget | undefined;
  #address: DatabaseAddress | undefined;

  /**
   * @param name The driver's function, for messages.
   * @param source The URL, or a function that returns it.
   * @param allowedParams The URL parameters that the driver honours.
   * @throws {TypeError} When the URL is text and no connection URL.
   */
  constructor(
    name: string,
    source: UrlSource,
    allowedParams: readonly string[],
  ) {
    if (typeof source === "string") {
      this.#address = addressOf(parseConnectionUrl(source));
    }
    this.#name = name;
    this.#source = source;
    this.#allowedParams = allowedParams;
  }

  /** What was found; nothing before. */
  get found(): ConnectionTarget | undefined {
    return this.#found;
  }

  /**
   * Asks for the URL, until there is one.
   *
   * @throws {TypeError} When there is none, or a parameter would be ignored.
   */
  async find(): Promise<ConnectionTarget> {
    this.#found ??= await resolveUrl(this.#source, this.#allowedParams);
    this.#address ??= addressOf(this.#found);
    return this.#found;
  }

  /** Where it is: known from the start where the source is text. */
  get address(): DatabaseAddress | undefined {
    return this.#address;
  }

  /** Names it in messages. */
  describe(): string {
    return this.#found === undefined
      ? `the database of ${this.#name}()`
      : describeTarget(this.#found);
  }
}
