import type { Driver } from "../driver/driver.ts";
import {
  checkSettings,
  checkTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import { checkArgument } from "../errors/check_argument.ts";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { Emitter } from "../events/emitter.ts";
import { NullPool } from "../pool/null_pool.ts";
import type { PooledDriver, PoolFactory } from "../pool/pool.ts";
import { observedDriver } from "./_observed_driver.ts";
import { Engine, type EngineMode } from "./engine.ts";

/**
 * A database that answers in more than one place. Reads of a builder that nobody
 * tracks may go elsewhere than to the primary, as long as their session has
 * written nothing; entities, locks and everything else never do. Whatever fails
 * there is asked of the primary.
 */
export interface DriverSet {
  /** Where everything is written. */
  readonly primary: Driver;
  /**
   * Hot standbys of it; one is chosen by chance for each transaction.
   *
   * @default {[]}
   */
  readonly replicas?: readonly Driver[];
  /**
   * A cache in front of it (Hyperdrive with caching on), which knows nothing of
   * transactions: reads go there as bare statements, from sessions without
   * claims and settings.
   *
   * @default {none}
   */
  readonly cached?: Driver;
}

/** How {@linkcode createEngine} makes an engine. */
export interface EngineOptions {
  /**
   * Makes the pool.
   *
   * @default {(driver) => new NullPool(driver)}, or what the driver says:
   * PGlite, which has one connection, has a `StaticPool`
   */
  readonly pool?: PoolFactory;
  /**
   * How much is reported.
   *
   * @default {"production"}
   */
  readonly mode?: EngineMode;
  /**
   * Settings such as `search_path` or `timezone`, by name. They lead every
   * transaction and end with it (PostgreSQL, `set_config(.., true)`), so they
   * are safe behind a pooler.
   *
   * @default {{}}
   */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * How transactions run that say nothing else.
   *
   * @default {{ isolationLevel: "read committed" }}
   */
  readonly transaction?: TransactionOptions;
  /**
   * Functions of your own, as SQL names them (`slug`, `app.slug`), that compute
   * and do nothing else: they write nothing, lock nothing, set nothing and do
   * not ask which transaction they are in. A select that calls no others may
   * run in a transaction of its own, which saves a connection on Neon.
   *
   * @default {[]}
   */
  readonly pureFunctions?: readonly string[];
  /**
   * Whether errors carry server texts and details that may quote values. Keep
   * it off where errors are logged or shown.
   *
   * @default {false}
   */
  readonly exposeServerDetail?: boolean;
  /**
   * Whether `statement` events carry the parameters of statements, which the
   * inspector then shows when it is asked to. Only in `mode: "development"`.
   *
   * @default {false}
   */
  readonly exposeParameters?: boolean;
}

/**
 * Makes an engine: a driver, a pool, and the options that all sessions share.
 * It opens nothing.
 *
 * @example An engine, made once at module level
 * ```ts
 * import { createEngine } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { assertEquals } from "@std/assert";
 *
 * const engine = createEngine(pglite(), { settings: { timezone: "UTC" } });
 * assertEquals(engine.status().checkedOut, 0);
 * await engine.dispose();
 * ```
 *
 * @param driver Opens connections: `neon(url)`, `postgres(url)`, `pglite()`; or
 * several, of a primary and its replicas.
 * @param options The pool and what sessions share.
 * @returns The engine.
 * @throws {TypeError} When the driver or an option has the wrong type.
 * @throws {RangeError} When an option has a value that is none of its own.
 */
export function createEngine(
  driver: Driver | DriverSet,
  options: EngineOptions = {},
): Engine {
  checkOptionNames("createEngine()", options, ENGINE_OPTIONS);
  const { primary, replicas = [], cached } = driverSet(driver);
  const others = cached === undefined ? replicas : [...replicas, cached];
  for (const each of [primary, ...others]) checkDriver(each);
  const { mode = "production", settings = {}, transaction = {} } = options;
  if (mode !== "production" && mode !== "development") {
    throw new RangeError(
      'Cannot use option "mode": it is "production" or "development"',
    );
  }
  const { exposeParameters = false } = options;
  if (exposeParameters && mode === "production") {
    throw new RangeError(
      'Cannot use option "exposeParameters": it needs mode: "development"',
    );
  }
  checkSettings(settings);
  checkTransactionOptions(transaction);
  const { pureFunctions = [] } = options;
  if (!pureFunctions.every((name) => typeof name === "string")) {
    throw new TypeError(
      'Cannot use option "pureFunctions": it is a list of names',
    );
  }
  const emitter = new Emitter();
  const shared = {
    emitter,
    mode,
    settings,
    transaction,
    exposeServerDetail: options.exposeServerDetail ?? false,
    exposeParameters,
    pureFunctions: new Set(pureFunctions),
  };
  function engineOf(own: Driver, readers: readonly Engine[]): Engine {
    const { pool: makePool = defaultPool(own) } = options;
    const isFactory = typeof makePool === "function" && !isClass(makePool);
    const pool = isFactory ? makePool(observedDriver(own, emitter)) : undefined;
    if (typeof pool?.checkout !== "function") {
      throw new TypeError(
        'Cannot use option "pool": it is a function that returns a pool, such as (driver) => new QueuePool(driver)',
      );
    }
    const isCache = own === cached;
    return new Engine({ ...shared, driver: own, pool, readers, isCache });
  }
  return engineOf(primary, others.map((other) => engineOf(other, [])));
}

function driverSet(driver: Driver | DriverSet): DriverSet {
  const isSet = typeof driver === "object" && driver !== null &&
    "primary" in driver;
  if (!isSet) return { primary: driver };
  checkOptionNames("a set of drivers", driver, DRIVER_SET);
  return driver;
}

const DRIVER_SET: OptionNames<DriverSet> = {
  primary: true,
  replicas: true,
  cached: true,
};

const ENGINE_OPTIONS: OptionNames<EngineOptions> = {
  pool: true,
  mode: true,
  settings: true,
  transaction: true,
  pureFunctions: true,
  exposeServerDetail: true,
  exposeParameters: true,
};

function checkDriver(driver: Driver): void {
  // An engine connects as well, in another way.
  checkArgument(
    typeof driver?.connect === "function" && !(driver instanceof Engine),
    "create engine",
    "a driver such as neon(url), postgres(url) or pglite()",
  );
}

/** SQLAlchemy's `poolclass` is one; a class cannot be called. */
function isClass(value: PoolFactory): boolean {
  const prototype = Object.getOwnPropertyDescriptor(value, "prototype");
  return prototype !== undefined && prototype.writable !== true;
}

/** Naming another pool here would put it into every bundle. */
function defaultPool(driver: Driver | PooledDriver): PoolFactory {
  if ("defaultPool" in driver) return driver.defaultPool;
  const { maxConnections = 0 } = driver;
  return maxConnections > 0
    ? (observed) => new NullPool(observed, { maxOpen: maxConnections })
    : (observed) => new NullPool(observed);
}
