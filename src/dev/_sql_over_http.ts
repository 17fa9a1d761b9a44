import { Buffer } from "node:buffer";
import type { Credentials } from "./_backend.ts";
import type { HttpConnection } from "./_http_connection.ts";
import { loginFailure, statementFailure } from "./_http_failure.ts";
import type { HttpPool } from "./_http_pool.ts";
import {
  readCredentials,
  readPayload,
  readSettings,
  type RequestHeaders,
  type SqlPayload,
  type SqlSettings,
  type SqlStatement,
} from "./_sql_request.ts";
import { resultJson, type SqlResult } from "./_sql_result.ts";
import { responseTooLarge } from "./_statement_submittable.ts";

/** A request to `/sql` whose body was read. */
export interface SqlHttpRequest {
  readonly headers: RequestHeaders;
  readonly body: string;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** The answer to a request. */
export interface SqlHttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Behind how many bytes the connection breaks, if it does. */
  readonly sentBytes?: number;
}

/**
 * Answers a request to `/sql`.
 *
 * @param request The request.
 * @param pool Lends connections.
 * @param maxBytes The longest answer.
 * @throws {HttpFailure} When it cannot be answered.
 */
export async function answerSql(
  request: SqlHttpRequest,
  pool: HttpPool,
  maxBytes: number,
): Promise<SqlHttpResponse> {
  const { signal } = request;
  const credentials = readCredentials(request.headers);
  const settings = readSettings(request.headers);
  const payload = readPayload(request.body);
  const connection = await checkout(pool, credentials, signal);
  const runner = { connection, settings, maxBytes };
  function cancel() {
    connection.cancel();
  }
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const body = payload.isBatch
      ? await runBatch(runner, payload)
      : await runSingle(runner, payload);
    const headers = payload.isBatch ? settings.echo : {};
    return { status: 200, headers, body };
  } catch (error) {
    throw statementFailure(error);
  } finally {
    signal.removeEventListener("abort", cancel);
    pool.checkin(credentials, connection);
  }
}

interface Runner {
  readonly connection: HttpConnection;
  readonly settings: SqlSettings;
  readonly maxBytes: number;
}

async function checkout(
  pool: HttpPool,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<HttpConnection> {
  try {
    return await pool.checkout(credentials, signal);
  } catch (error) {
    throw loginFailure(error, credentials.user);
  }
}

async function runSingle(runner: Runner, payload: SqlPayload): Promise<string> {
  const [statement] = payload.statements;
  return statement === undefined ? "" : await runStatement(runner, statement);
}

async function runBatch(runner: Runner, payload: SqlPayload): Promise<string> {
  const { connection, settings, maxBytes } = runner;
  await connection.run(settings.startTransaction);
  const results: string[] = [];
  let size = 0;
  try {
    for (const statement of payload.statements) {
      const json = await runStatement(runner, statement);
      size += json.length;
      if (size > maxBytes) throw responseTooLarge(maxBytes);
      results.push(json);
    }
  } catch (error) {
    // Before the answer: whoever reads it finds no lock of this batch.
    await connection.run("ROLLBACK").catch(() => connection.drop());
    throw error;
  }
  await connection.run("COMMIT");
  return `{"results":[${results.join(",")}]}`;
}

async function runStatement(
  { connection, settings, maxBytes }: Runner,
  { text, params, arrayMode }: SqlStatement,
): Promise<string> {
  const result = await connection.run(text, params, maxBytes);
  const json = resultJson(result, {
    arrayMode: arrayMode ?? settings.arrayMode,
    arrayElements: settings.rawText
      ? undefined
      : await arrayElements(connection, result),
  });
  if (Buffer.byteLength(json) > maxBytes) throw responseTooLarge(maxBytes);
  return json;
}

async function arrayElements(
  connection: HttpConnection,
  { fields }: SqlResult,
): Promise<ReadonlyMap<number, number>> {
  if (fields.length === 0) return new Map();
  const typeIds = [...new Set(fields.map((field) => field.dataTypeID))];
  const { rows } = await connection.run(
    "SELECT oid, typelem FROM pg_catalog.pg_type WHERE typoutput = 'pg_catalog.array_out'::pg_catalog.regproc AND oid = ANY ($1::pg_catalog.oid[])",
    [`{${typeIds.join(",")}}`],
  );
  return new Map(rows.map(([array, element]) => [
    Number(array),
    Number(element),
  ]));
}
