import { assert, assertEquals } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import type { Driver } from "../../src/driver/driver.ts";
import type { Statement } from "../../src/driver/statement.ts";
import { createEngine, sessionmaker } from "../../mod.ts";
import { neon, neonHttp } from "../../src/neon/mod.ts";

const kept = pgTable("kept", { n: integer().primaryKey() });
const isOn = true;

/** What a session asks for, without anybody to answer but for the shape. */
async function asked(
  run: (db: ReturnType<ReturnType<typeof sessionmaker>>) => Promise<unknown>,
): Promise<{ headers: Record<string, string>; queries: unknown[] }[]> {
  const seen: { headers: Record<string, string>; queries: unknown[] }[] = [];
  const driver = neon("postgres://app:marker@ep-x.eu.example.com/app", {
    async fetch(_, { headers, body }) {
      const { queries } = JSON.parse(await new Response(body).text());
      const batch = [...new Headers(headers)]
        .filter(([name]) => name.startsWith("neon-batch"));
      seen.push({ headers: Object.fromEntries(batch), queries });
      const result = {
        fields: [],
        rows: [],
        command: "SELECT",
        rowCount: 0,
      };
      return Response.json({ results: queries.map(() => result) });
    },
  });
  const engine = createEngine(driver, { settings: { timezone: "UTC" } });
  const Session = sessionmaker(engine, {
    hooks: { afterBegin: () => ({ "request.jwt.claims": "{}" }) },
  });
  await using db = Session();
  await run(db);
  return seen;
}

const SETTINGS = {
  query: "select set_config($1, $2, true), set_config($3, $4, true)",
  params: ["timezone", "UTC", "request.jwt.claims", "{}"],
};

Deno.test("a read over HTTP is read-only, and claims and settings lead it", async () => {
  const seen = await asked((db) => db.get(kept, 1));
  assertEquals(seen, [{
    headers: {
      "neon-batch-isolation-level": "ReadCommitted",
      "neon-batch-read-only": "true",
    },
    queries: [SETTINGS, {
      query: 'select "n" from "kept" where "n" = $1',
      params: ["1"],
    }],
  }]);
});

Deno.test("level, access and deferrable are headers of a commit over HTTP, in each transaction", async () => {
  const seen = await asked(async (db) => {
    await db.begin({
      isolationLevel: "serializable",
      readOnly: isOn,
      deferrable: isOn,
    });
    db.enqueue(db.select().from(kept));
    await db.commit();
    db.enqueue(db.delete(kept));
    await db.commit();
  });
  assertEquals(seen.map(({ headers }) => headers), [
    {
      "neon-batch-deferrable": "true",
      "neon-batch-isolation-level": "Serializable",
      "neon-batch-read-only": "true",
    },
    { "neon-batch-isolation-level": "ReadCommitted" },
  ]);
  assertEquals(seen.map(({ queries: [first] }) => first), [SETTINGS, SETTINGS]);
});

const HOSTED = "postgres://a%2Fb:p%40%3A%20%25@ep-x.eu.example.com/a%20b";
const SELECT: Statement = {
  text: "select 1",
  params: [],
  rowMode: "array",
  access: "read",
};

/** Sends one transaction with each token. */
async function sendBy(
  driver: Driver,
  tokens: readonly (string | undefined)[],
): Promise<void> {
  for (const authToken of tokens) {
    const answer = await driver.sendTransaction?.([SELECT], { authToken });
    assertEquals(answer?.results.length, 1);
  }
}

/** Answers everything, and remembers where it went and as whom. */
function answering(seen: unknown[]) {
  return (url: string, { headers }: RequestInit): Promise<Response> => {
    const sent = new Headers(headers);
    seen.push([
      url,
      sent.get("neon-connection-string"),
      sent.get("authorization"),
    ]);
    const result = { fields: [], rows: [], command: "SELECT", rowCount: 0 };
    return Promise.resolve(Response.json({ results: [result] }));
  };
}

Deno.test("a request goes by password or by token, whichever came first, and its URL is looked up once", async () => {
  const seen: unknown[] = [];
  let asked = 0;
  const driver = neonHttp(() => {
    asked++;
    return HOSTED;
  }, { fetch: answering(seen) });
  const byPassword = [
    "https://api.eu.example.com/sql",
    "postgresql://a%2Fb:p%40%3A%20%25@ep-x.eu.example.com/a%20b",
    null,
  ];
  const byToken = [
    "https://apiauth.eu.example.com/sql",
    "postgresql://a%2Fb@ep-x.eu.example.com/a%20b",
    "Bearer t",
  ];
  await sendBy(driver, ["t", undefined, "t", undefined]);
  assertEquals(seen, [byToken, byPassword, byToken, byPassword]);
  assertEquals(asked, 1);
});

Deno.test("a fetch that was replaced later is the one that is asked", async () => {
  const driver = neonHttp(HOSTED);
  const seen: unknown[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = answering(seen) as typeof fetch;
  try {
    await sendBy(driver, [undefined]);
  } finally {
    globalThis.fetch = fetch;
  }
  assertEquals(seen.length, 1);
});

Deno.test("a commit of some megabytes arrives whole, and says how large it is", async () => {
  const seen: unknown[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const bytes = await request.bytes();
      seen.push(JSON.parse(new TextDecoder().decode(bytes)));
      seen.push(bytes.length === Number(request.headers.get("content-length")));
      const result = { fields: [], rows: [], command: "INSERT", rowCount: 1 };
      return Response.json({ results: [result] });
    },
  );
  const { port } = server.addr;
  const driver = neonHttp(`postgres://app:marker@127.0.0.1:${port}/app`);
  const query = "insert into kept values ($1)";
  const params = ["ä€𐍈".repeat(500_000)];
  const answer = await driver.sendTransaction?.([
    { text: query, params, rowMode: "array", access: "write" },
  ], {});
  assertEquals(answer?.results.length, 1);
  const [queries, isOfItsLength] = seen;
  // Compared by hand: a difference would be printed.
  assert(
    JSON.stringify(queries) ===
      JSON.stringify({ queries: [{ query, params }] }),
  );
  assertEquals([isOfItsLength, seen.length], [true, 2]);
});
