import { createEngine } from "@nullpool/db";
import { type NeonServer, serveNeon } from "@nullpool/db/dev";
import { postgres } from "@nullpool/db/postgres";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { prepare } from "../../examples/order_desk/prepare.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";
import {
  aroundTests,
  type RunningWorker,
  startWorkerd,
} from "../support/workerd.ts";

interface Worker extends RunningWorker {
  readonly database: TestDatabase;
  readonly endpoint: NeonServer;
}

async function startWorker(): Promise<Worker> {
  const contents = await bundleWorker("tests/examples/order_desk_worker.ts", {
    tcp: false,
  });
  const database = await testDatabase();
  {
    await using engine = createEngine(postgres(database.url));
    await prepare(engine);
  }
  // Nothing is kept between requests, so what is left was left by the Worker.
  const endpoint = await serveNeon({
    backend: database.url,
    port: 0,
    poolSize: 0,
  });
  const running = await startWorkerd(contents, {
    compatibilityFlags: ["nodejs_compat", "enable_request_signal"],
    bindings: { DATABASE_URL: endpoint.url, ORDER_DESK_SECRET: "of the test" },
  });
  return {
    database,
    endpoint,
    fetch: running.fetch,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await endpoint.close();
      await database.drop();
    },
  };
}

const shared = aroundTests(startWorker);

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
