import { createEngine, type Engine, sessionmaker } from "@nullpool/db";
import { serveNeon } from "@nullpool/db/dev";
import { neon } from "@nullpool/db/neon";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import { orderDesk } from "../../examples/order_desk/app.ts";
import { prepare } from "../../examples/order_desk/prepare.ts";
import { testPGlite } from "../support/pglite.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

/** A response that was read to its end. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, where it is JSON. */
  body: unknown;
}

/** The order desk over a database of its own, migrated and seeded. */
export class TestDesk implements AsyncDisposable {
  readonly engine: Engine;
  readonly #app: { request: ReturnType<typeof orderDesk>["request"] };
  readonly #end: () => Promise<void>;

  constructor(engine: Engine, end: () => Promise<void>) {
    this.engine = engine;
    this.#app = orderDesk(engine);
    this.#end = end;
  }

  /** Asks for a path. */
  async get(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await this.#app.request(path, init);
    const text = await response.text();
    const { status, headers } = response;
    const isJson = headers.get("content-type") === "application/json";
    return { status, headers, text, body: isJson ? JSON.parse(text) : text };
  }

  /** Sends a body as JSON. */
  post(path: string, body?: unknown): Promise<Answer> {
    return this.get(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body) ?? null,
    });
  }

  /** Sends the page's form, as a browser does. */
  submit(fields: Record<string, string>): Promise<Answer> {
    return this.get("/", {
      method: "POST",
      headers: { origin: "http://localhost" },
      body: new URLSearchParams(fields),
    });
  }

  /** Runs SQL and returns the first column. */
  query(sql: string): Promise<unknown[]> {
    return sessionmaker(this.engine).begin(async (db) => {
      const { rows } = await db.execute(sql);
      return rows.map((row) => Object.values(row)[0]);
    });
  }

  /** How many pieces of a product are in stock. */
  async stock(sku: string): Promise<unknown> {
    const [stock] = await this.query(
      `select stock from products where sku = '${sku}'`,
    );
    return stock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.dispose();
    await this.#end();
  }
}

/** On PGlite, in memory. */
export async function pgliteDesk(): Promise<TestDesk> {
  const lite = await testPGlite();
  const desk = new TestDesk(createEngine(pglite(lite)), () => lite.close());
  await prepare(desk.engine);
  return desk;
}

/** Over Neon's protocol, on a PostgreSQL of its own. */
export async function neonDesk(): Promise<TestDesk> {
  const database = await testDatabase();
  const endpoint = await serveNeon({ backend: database.url, port: 0 });
  const engine = createEngine(neon(endpoint.url));
  const desk = new TestDesk(engine, async () => {
    await endpoint.close();
    await endpoint.idle();
    await database.drop();
  });
  await prepare(engine);
  return desk;
}

/** On PostgreSQL, and how the server sees it. */
export async function postgresDesk(): Promise<
  { desk: TestDesk; database: TestDatabase } & AsyncDisposable
> {
  const database = await testDatabase();
  const engine = createEngine(postgres(database.url));
  const desk = new TestDesk(engine, () => database.drop());
  await prepare(engine);
  return {
    desk,
    database,
    [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose](),
  };
}
