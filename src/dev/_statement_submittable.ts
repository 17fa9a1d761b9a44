import { HttpFailure } from "./_http_failure.ts";
import type {
  FieldDescription,
  PgConnection,
  PgSubmittable,
} from "./_pg_client.ts";
import type { SqlResult } from "./_sql_result.ts";

/** How the run of a statement ends. */
export interface StatementOutcome {
  /** Called with the result. */
  readonly resolve: (result: SqlResult) => void;
  /** Called with what went wrong, perhaps after `resolve`. */
  readonly reject: (error: unknown) => void;
  /** Called before `reject` when the connection cannot be used any more. */
  readonly abandon: () => void;
}

/**
 * One statement in the extended protocol, values as text: several statements
 * in one text are an error of PostgreSQL then (SQLSTATE 42601), also without
 * parameters.
 */
export class StatementSubmittable implements PgSubmittable {
  readonly #text: string;
  readonly #params: readonly (string | null)[];
  readonly #maxBytes: number;
  readonly #outcome: StatementOutcome;
  readonly #rows: (readonly (string | null)[])[] = [];
  #fields: readonly FieldDescription[] = [];
  #tag = "";
  #size = 0;

  /**
   * @param statement What is run.
   * @param maxBytes Gives up when the rows are longer than this.
   * @param outcome Told how it ends.
   */
  constructor(
    statement: {
      readonly text: string;
      readonly params: readonly (string | null)[];
    },
    maxBytes: number,
    outcome: StatementOutcome,
  ) {
    this.#text = statement.text;
    this.#params = statement.params;
    this.#maxBytes = maxBytes;
    this.#outcome = outcome;
  }

  callback(): void {}

  submit(connection: PgConnection): null {
    const { stream } = connection;
    stream.cork();
    connection.parse({ text: this.#text });
    connection.bind({ values: this.#params });
    connection.describe({ type: "P" });
    connection.execute({});
    connection.sync();
    stream.uncork();
    return null;
  }

  handleRowDescription(
    message: { readonly fields: readonly FieldDescription[] },
  ): void {
    this.#fields = message.fields;
  }

  handleDataRow(
    message: { readonly fields: readonly (string | null)[] },
  ): void {
    for (const value of message.fields) this.#size += value?.length ?? 4;
    if (this.#size <= this.#maxBytes) this.#rows.push(message.fields);
    else this.#giveUp(responseTooLarge(this.#maxBytes));
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#tag = message.text;
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}

  handleCopyInResponse(): void {
    this.#giveUp(new HttpFailure(400, "unexpected message from server"));
  }

  handleCopyData(): void {
    this.#giveUp(new HttpFailure(400, "unexpected message from server"));
  }

  handleError(error: unknown): void {
    this.#outcome.reject(error);
  }

  handleReadyForQuery(): void {
    this.#outcome.resolve({
      fields: this.#fields,
      rows: this.#rows,
      tag: this.#tag,
    });
  }

  #giveUp(failure: HttpFailure): void {
    this.#rows.length = 0;
    this.#outcome.abandon();
    this.#outcome.reject(failure);
  }
}

/**
 * The answer to a result over the limit.
 *
 * @param maxBytes The limit.
 */
export function responseTooLarge(maxBytes: number): HttpFailure {
  return new HttpFailure(
    507,
    `response is too large (max is ${maxBytes} bytes)`,
  );
}
