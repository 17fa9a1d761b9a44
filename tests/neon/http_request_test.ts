import { assertEquals } from "@std/assert";
import { integer, pgTable } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { neon } from "../../src/neon/mod.ts";

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
