import pg from "pg";

/** A `pg` client for the tests' own look at a database. */
export interface AdminClient extends AsyncDisposable {
  /** Runs SQL; without parameters it may be several statements. */
  query(sql: string, params?: readonly unknown[]): Promise<Row[]>;
}

/** A row by column name. */
export type Row = Record<string, unknown>;

/** What is used of `pg.Client`: the package has no types. */
interface PgClient {
  connect(): Promise<void>;
  query(sql: string, params?: readonly unknown[]): Promise<Result | Result[]>;
  on(event: "error", listener: () => void): void;
  end(): Promise<void>;
}

interface Result {
  rows: Row[];
}

/** Connects to the database of a URL. */
export async function connectAdmin(url: string): Promise<AdminClient> {
  const client: PgClient = new pg.Client(url);
  // A lost connection rejects the query; as an event it would end the process.
  client.on("error", () => {});
  await client.connect();
  return {
    async query(sql, params) {
      const result = await client.query(sql, params);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return last?.rows ?? [];
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
