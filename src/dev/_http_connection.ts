import type { Backend, Login } from "./_backend.ts";
import type { SqlResult } from "./_sql_result.ts";
import { StatementSubmittable } from "./_statement_submittable.ts";

/** As Neon's proxy does before it lends a connection again. */
const RESET = `
  ROLLBACK;
  CLOSE ALL;
  SET SESSION AUTHORIZATION DEFAULT;
  RESET ALL;
  DEALLOCATE ALL;
  UNLISTEN *;
  SELECT pg_advisory_unlock_all();
  DISCARD TEMP;
  DISCARD SEQUENCES`;

/** A connection that runs the statements of HTTP requests. */
export class HttpConnection {
  readonly #login: Login;
  readonly #backend: Backend;
  #isOpen = true;

  /**
   * @param login The connection, which this object closes.
   * @param backend Where it leads.
   */
  constructor(login: Login, backend: Backend) {
    this.#login = login;
    this.#backend = backend;
    login.client.on("end", () => {
      this.#isOpen = false;
    });
  }

  /** Whether it can be lent again. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Runs one statement.
   *
   * @param text SQL.
   * @param params Values as text.
   * @param maxBytes Gives up when the rows are longer than this.
   * @throws {Error} What `pg` reports.
   */
  run(
    text: string,
    params: readonly (string | null)[] = [],
    maxBytes: number = Infinity,
  ): Promise<SqlResult> {
    const { client } = this.#login;
    return new Promise((resolve, reject) => {
      const abandon = () => this.drop();
      client.query(
        new StatementSubmittable({ text, params }, maxBytes, {
          resolve,
          reject,
          abandon,
        }),
      );
    });
  }

  /** Forgets whatever a request left in the session. */
  async reset(): Promise<void> {
    await this.#login.client.query(RESET);
  }

  /** Cancels the running statement and drops the connection. */
  async cancel(): Promise<void> {
    // At once: the statement may end, and the connection be given back, before
    // the server has answered.
    this.#isOpen = false;
    const { processID, secretKey } = this.#login.client;
    if (processID !== null && secretKey !== null) {
      await this.#backend.cancel(processID, secretKey);
    }
    this.drop();
  }

  /** Drops the connection without a goodbye; what runs on it fails. */
  drop(): void {
    this.#isOpen = false;
    this.#login.client.connection.stream.destroy();
  }

  /** Says goodbye and resolves when the connection is closed. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#login.client.end();
  }
}
