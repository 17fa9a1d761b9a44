import type { Attributes } from "@opentelemetry/api";
import type { DatabaseAddress } from "../driver/driver.ts";
import { type QuerySummary, summarize } from "./_query_summary.ts";
import { sanitizedText, TEXT_LIMIT } from "./_query_text.ts";

/** The conventions that attributes and metrics are named by. */
export const SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";

/** PostgreSQL's, which goes without saying. */
const DEFAULT_PORT = 5432;

/** How many texts are known by heart. */
const CACHE_SIZE = 500;

/** What is told of a statement besides its outcome. */
export interface QueryShape extends QuerySummary {
  /** Its text, without values. */
  readonly text: string;
}

/** What an operation failed with. */
export interface Failure {
  /** The code of the error. */
  readonly error: string | undefined;
  /** The SQLSTATE, if the server refused it. */
  readonly sqlstate: string | undefined;
}

/** Takes texts apart, and remembers those that come again. */
export class QueryShapes {
  readonly #known = new Map<string, QueryShape>();

  /**
   * What is told of a text.
   *
   * @param text SQL text.
   */
  of(text: string): QueryShape {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const shape = { ...summarize(text), text: sanitizedText(text) };
    // Literals in a text make each one new: those that came first go.
    if (text.length <= TEXT_LIMIT) {
      for (const first of this.#known.keys()) {
        if (this.#known.size < CACHE_SIZE) break;
        this.#known.delete(first);
      }
      this.#known.set(text, shape);
    }
    return shape;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#known.size;
  }
}

/**
 * Which database, as all attributes begin.
 *
 * @param address Where it is, if that is known.
 */
export function databaseAttributes(
  address: DatabaseAddress | undefined,
): Attributes {
  return {
    "db.system.name": "postgresql",
    ...(address && {
      "db.namespace": address.database,
      "server.address": address.host,
      ...(address.port !== DEFAULT_PORT && { "server.port": address.port }),
    }),
  };
}

/**
 * What a statement does.
 *
 * @param shape What is known of it.
 */
export function operationAttributes(
  { summary, operation, collection }: QuerySummary,
): Attributes {
  return {
    ...(summary !== "" && { "db.query.summary": summary }),
    ...(operation !== undefined && { "db.operation.name": operation }),
    ...(collection !== undefined && { "db.collection.name": collection }),
  };
}

/**
 * What statements do that travel together.
 *
 * @param shapes What is known of each.
 */
export function batchSummary(shapes: readonly QuerySummary[]): QuerySummary {
  const summary = common(shapes.map(({ summary }) => summary));
  const operation = common(shapes.map(({ operation }) => operation));
  return {
    summary: summary === undefined ? "BATCH" : `BATCH ${summary}`,
    operation: operation === undefined ? "BATCH" : `BATCH ${operation}`,
    collection: common(shapes.map(({ collection }) => collection)),
  };
}

/**
 * Why an operation failed; nothing where it did not.
 *
 * @param failure What is known of it.
 */
export function failureAttributes(failure: Failure): Attributes {
  const type = errorType(failure);
  return type === undefined ? {} : {
    "error.type": type,
    ...(failure.sqlstate && { "db.response.status_code": failure.sqlstate }),
  };
}

/**
 * The SQLSTATE where the server has refused something, else our code.
 *
 * @param failure What is known of a failure.
 */
export function errorType({ error, sqlstate }: Failure): string | undefined {
  return sqlstate ?? error;
}

/** What all of them are, if they are the same. */
function common<T>([first, ...others]: readonly T[]): T | undefined {
  return others.every((other) => other === first) ? first : undefined;
}
