import { createEngine } from "@nullpool/db";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import {
  assert,
  assertEquals,
  assertMatch,
  assertObjectMatch,
  assertStringIncludes,
} from "@std/assert";
import { prepare } from "../../examples/order_desk/prepare.ts";
import { pgliteDesk, TestDesk } from "./test_desk.ts";

const BREAD_AND_JAM = {
  customerId: 1,
  lines: [{ sku: "JAM", quantity: 2 }, { sku: "BREAD", quantity: 1 }],
};

Deno.test("order desk", async (t) => {
  await using desk = await pgliteDesk();

  await t.step("GET /products lists what is sold", async () => {
    const { status, body } = await desk.get("/products");
    assertEquals(status, 200);
    assert(Array.isArray(body));
    assertEquals(body.map(({ sku, price, stock }) => [sku, price, stock]), [
      ["BREAD", 480, 40],
      ["CHEESE", 790, 25],
      ["JAM", 550, 60],
      ["TRUFFLE", 12900, 3],
    ]);
  });

  await t.step(
    "POST /orders writes an order and takes its pieces",
    async () => {
      const { status, headers, body } = await desk.post(
        "/orders",
        BREAD_AND_JAM,
      );
      assertEquals(status, 201);
      assertEquals(headers.get("location"), "/orders/1");
      assertObjectMatch(body as object, {
        id: 1,
        status: "open",
        customer: { id: 1, name: "Ada Lovelace" },
        lines: [
          { sku: "BREAD", name: "Sourdough bread", quantity: 1, price: 480 },
          { sku: "JAM", name: "Apricot jam", quantity: 2, price: 550 },
        ],
        total: 1580,
      });
      assertEquals([await desk.stock("JAM"), await desk.stock("BREAD")], [
        58,
        39,
      ]);
    },
  );

  await t.step("GET /orders/:id shows it again", async () => {
    const { status, body } = await desk.get("/orders/1");
    assertEquals(status, 200);
    assertObjectMatch(body as object, { id: 1, total: 1580 });
  });

  await t.step("an order keeps the price of its day", async () => {
    await desk.query("update products set price = 1 where sku = 'JAM'");
    const { body } = await desk.get("/orders/1");
    assertObjectMatch(body as object, { total: 1580 });
    await desk.query("update products set price = 550 where sku = 'JAM'");
  });

  await t.step("GET /orders lists a part, the newest first", async () => {
    for (const customerId of [2, 3]) {
      await desk.post("/orders", { ...BREAD_AND_JAM, customerId });
    }
    const { status, body } = await desk.get("/orders?limit=2&offset=1");
    assertEquals(status, 200);
    assertObjectMatch(body as object, {
      limit: 2,
      offset: 1,
      orders: [
        { id: 2, customer: "Grace Hopper", status: "open", total: 1580 },
        { id: 1, customer: "Ada Lovelace", status: "open", total: 1580 },
      ],
    });
  });

  await t.step("too few pieces leave nothing behind", async () => {
    const { status, body } = await desk.post("/orders", {
      customerId: 1,
      lines: [{ sku: "TRUFFLE", quantity: 4 }, { sku: "BREAD", quantity: 30 }],
    });
    assertEquals(status, 409);
    assertEquals(body, {
      error: "Not enough in stock",
      fields: { "lines.0.quantity": "is more than the 3 in stock" },
    });
    assertEquals(await desk.stock("BREAD"), 37);
    assertEquals(await desk.query("select count(*)::int from orders"), [3]);
  });

  await t.step("POST /orders/:id/cancel returns the pieces once", async () => {
    const { status, body } = await desk.post("/orders/3/cancel");
    assertEquals(status, 200);
    assertObjectMatch(body as object, { id: 3, status: "cancelled" });
    assertEquals([await desk.stock("JAM"), await desk.stock("BREAD")], [
      56,
      38,
    ]);

    const again = await desk.post("/orders/3/cancel");
    assertEquals(again.status, 409);
    assertObjectMatch(again.body as object, { fields: {} });
    assertEquals([await desk.stock("JAM"), await desk.stock("BREAD")], [
      56,
      38,
    ]);
  });

  await t.step("GET /reports/sales adds up open orders by day", async () => {
    await desk.query(
      "update orders set created_at = created_at - interval '1 day' where id = 1",
    );
    const { status, body } = await desk.get("/reports/sales?days=3");
    assertEquals(status, 200);
    const { days } = body as { days: Record<string, unknown>[] };
    const sold = { orders: 1, pieces: 3, revenue: 1580 };
    const none = { orders: 0, pieces: 0, revenue: 0 };
    // A day later than planned if midnight has just passed.
    const [today, ...before] = days.map(({ day: _, ...sales }) => sales);
    assertEquals(
      [today, ...before],
      today?.orders === 0 ? [none, sold, sold] : [sold, sold, none],
    );
    assertMatch(String(days[0]?.day), /^\d{4}-\d\d-\d\d$/);
  });

  await t.step("an unknown path is a 404 in JSON", async () => {
    const { status, body } = await desk.get("/nowhere");
    assertEquals([status, body], [404, { error: "Not found" }]);
  });
});

Deno.test("order desk, its page", async (t) => {
  await using desk = await pgliteDesk();

  await t.step("shows products, customers and no orders", async () => {
    const { status, headers, text } = await desk.get("/");
    assertEquals(status, 200);
    assertMatch(headers.get("content-type") ?? "", /^text\/html/);
    assertStringIncludes(text, '<html lang="en">');
    assertMatch(text, /<option value="1" ?>Ada Lovelace<\/option>/);
    assertStringIncludes(text, 'name="quantity.JAM"');
    assertStringIncludes(text, "Nothing was ordered yet.");
  });

  await t.step("places an order and leads back to itself", async () => {
    const { status, headers } = await desk.submit({
      customerId: "2",
      "quantity.JAM": "2",
      "quantity.BREAD": "",
      "quantity.CHEESE": "0",
    });
    assertEquals([status, headers.get("location")], [303, "/?placed=1"]);
    const { text } = await desk.get("/?placed=1");
    assertStringIncludes(text, "Order 1 was placed.");
    assertStringIncludes(text, "<td>Grace Hopper</td>");
    assertStringIncludes(text, "€\u00a011.00");
    assertEquals(await desk.stock("JAM"), 58);
  });

  await t.step("says what is wrong and keeps what was typed", async () => {
    const { status, text } = await desk.submit({
      customerId: "2",
      "quantity.BREAD": "39",
      "quantity.TRUFFLE": "4",
    });
    assertEquals(status, 409);
    assertStringIncludes(
      text,
      "<li>Quantity of Black truffle is more than the 3 in stock</li>",
    );
    assertStringIncludes(text, '<option value="2" selected>');
    assertStringIncludes(text, 'value="4"');
    // The stock that is shown is the one without this order.
    assertStringIncludes(text, '<td class="number">40</td>');
    assertEquals(await desk.stock("BREAD"), 40);
  });

  await t.step("refuses a form without a customer or a product", async () => {
    const { status, text } = await desk.submit({ customerId: "" });
    assertEquals(status, 422);
    assertStringIncludes(text, "<li>Customer is the id of a customer</li>");
    assertStringIncludes(text, "<li>The order names at least one product</li>");
  });

  await t.step("refuses a form that another site sends", async () => {
    const { status, body } = await desk.get("/", {
      method: "POST",
      headers: { origin: "https://elsewhere.example" },
      body: new URLSearchParams({ customerId: "1", "quantity.JAM": "1" }),
    });
    assertEquals([status, body], [403, { error: "Refused" }]);
    assertEquals(await desk.query("select count(*)::int from orders"), [1]);
  });

  await t.step("escapes what it shows", async () => {
    const evil = `<script>alert("x")</script>`;
    await desk.query(`update customers set name = '${evil}' where id = 2`);
    await desk.query(`update products set name = '${evil}' where sku = 'JAM'`);
    const { text } = await desk.submit({
      customerId: "2",
      "quantity.JAM": `"><script>alert("x")</script>`,
    });
    assertStringIncludes(text, "&lt;script&gt;");
    assert(!text.includes("<script"), text);
  });
});

Deno.test("order desk: a database out of reach is a 503 without secrets", async () => {
  const url = "postgres://app:geheim@127.0.0.1:1/orders";
  await using desk = new TestDesk(
    createEngine(postgres(url)),
    () => Promise.resolve(),
  );
  const { answer, log } = await withErrors(() => desk.get("/products"));
  assertEquals(answer.status, 503);
  assertEquals(answer.headers.get("retry-after"), "1");
  assertEquals(answer.body, { error: "Nothing was saved: please try again" });
  assertStringIncludes(log, "CONNECT_FAILED");
  assert(!log.includes("geheim"), log);
});

Deno.test("order desk: an unexpected error is a 500 without details", async () => {
  await using desk = new TestDesk(
    createEngine(pglite("memory://")),
    () => Promise.resolve(),
  );
  const { answer, log } = await withErrors(() => desk.get("/products"));
  assertEquals([answer.status, answer.body], [500, {
    error: "Internal error",
  }]);
  assertStringIncludes(log, "products");
});

Deno.test("prepare() may run again and keeps what is there", async () => {
  await using desk = await pgliteDesk();
  await desk.query("update products set stock = 7 where sku = 'JAM'");
  await prepare(desk.engine);
  assertEquals(await desk.stock("JAM"), 7);
  assertEquals(await desk.query("select count(*)::int from products"), [4]);
});

/** Runs a function and keeps what it logs as errors. */
async function withErrors<T>(
  run: () => Promise<T>,
): Promise<{ answer: T; log: string }> {
  const { error } = console;
  let log = "";
  console.error = (...args) => log += Deno.inspect(args);
  try {
    return { answer: await run(), log };
  } finally {
    console.error = error;
  }
}
