import { createEngine } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { prepare } from "../../examples/order_desk/prepare.ts";
import { databaseWorker } from "../support/database_worker.ts";

const shared = databaseWorker("tests/examples/order_desk_worker.ts", {
  tcp: false,
  async prepare({ url }) {
    await using engine = createEngine(postgres(url));
    await prepare(engine);
  },
  runtime: ({ neon }) => ({
    compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
    bindings: { DATABASE_URL: neon, ORDER_DESK_SECRET: "of the test" },
  }),
});

Deno.test("the order desk as a Worker", async (t) => {
  const worker = shared();
  const { database, endpoint } = worker;

  async function ask(
    path: string,
    init?: RequestInit,
  ): Promise<[number, string]> {
    const response = await worker.fetch(path, init);
    return [response.status, await response.text()];
  }

  function order(sku: string, quantity: number): RequestInit {
    return {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ customerId: 1, lines: [{ sku, quantity }] }),
    };
  }

  await t.step("answers one request after the other", async () => {
    const [status, text] = await ask("/orders", order("JAM", 2));
    assertEquals(status, 201, text);
    assertStringIncludes(text, '"total":1100');
    assertEquals((await ask("/orders/1"))[0], 200);
    assertEquals((await ask("/orders/1/cancel", { method: "POST" }))[0], 200);
    assertEquals((await ask("/orders/1/cancel", { method: "POST" }))[0], 409);
    assertStringIncludes((await ask("/"))[1], "<td>cancelled</td>");
  });

  await t.step("reports with a session per day", async () => {
    await ask("/orders", order("BREAD", 1));
    const [status, text] = await ask("/reports/sales?days=2");
    assertEquals(status, 200, text);
    assertStringIncludes(text, '"orders":1,"pieces":1,"revenue":480');
  });

  await t.step("refuses what is wrong", async () => {
    assertEquals((await ask("/orders", order("JAM", -1)))[0], 422);
    assertEquals((await ask("/orders", order("TRUFFLE", 4)))[0], 409);
  });

  await t.step("sells the last piece once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => ask("/orders", order("TRUFFLE", 1))),
    );
    const placed = answers.filter(([status]) => status === 201);
    const refused = answers.filter(([status]) => status === 409);
    assertEquals([placed.length, refused.length], [3, 9]);
  });

  await t.step("leaves no connection behind", async () => {
    await database.waitFor(async () => await database.connections() === 0);
    // A goodbye that was not answered yet keeps a timer.
    await endpoint.idle();
  });
});
