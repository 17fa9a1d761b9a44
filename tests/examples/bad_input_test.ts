import { assert, assertEquals } from "@std/assert";
import { pgliteDesk } from "./test_desk.ts";

const LINE = { sku: "JAM", quantity: 1 };
const QUANTITY = "is a whole number from 1 to 1000";
const SKU = "is 1 to 40 of A-Z, 0-9 and -";
const ID = "is a whole number from 1 to 2147483647";

type Fields = Record<string, string>;

/** Bodies of `POST /orders` that are JSON. */
const ORDERS: Record<string, [unknown, Fields]> = {
  "nothing": [{}, { customerId: "is missing", lines: "is missing" }],
  "null": [null, { body: "is not an object" }],
  "a list": [[], { customerId: "is missing", lines: "is missing" }],
  "no customer": [{ lines: [LINE] }, { customerId: "is missing" }],
  "an unknown customer": [
    { customerId: 77, lines: [LINE] },
    { customerId: "is no known customer" },
  ],
  "a customer as text": [
    { customerId: "1", lines: [LINE] },
    { customerId: "is the id of a customer" },
  ],
  "a customer over int4": [
    { customerId: 2 ** 31, lines: [LINE] },
    { customerId: "is the id of a customer" },
  ],
  "a field too many": [
    { customerId: 1, lines: [LINE], status: "cancelled" },
    { status: "is not a known field" },
  ],
  "no lines": [
    { customerId: 1, lines: [] },
    { lines: "names at least one product" },
  ],
  "lines as text": [{ customerId: 1, lines: "JAM" }, { lines: "is a list" }],
  "too many lines": [
    {
      customerId: 1,
      lines: Array.from({ length: 51 }, (_, n) => ({ ...LINE, sku: `P-${n}` })),
    },
    { lines: "names at most 50 products" },
  ],
  "a sku twice": [
    { customerId: 1, lines: [LINE, { ...LINE, quantity: 2 }] },
    { "lines.1": "names a product a second time" },
  ],
  "a line too odd": [
    { customerId: 1, lines: [null, { sku: "JAM" }, { ...LINE, price: 1 }] },
    {
      "lines.0": "is not an object",
      "lines.1.quantity": "is missing",
      "lines.2.price": "is not a known field",
    },
  ],
  "an unknown product": [
    { customerId: 1, lines: [LINE, { sku: "CAKE", quantity: 1 }] },
    { "lines.1.sku": "is no known product" },
  ],
  "an unknown product and too many pieces": [
    {
      customerId: 1,
      lines: [{ sku: "CAKE", quantity: 1 }, { sku: "TRUFFLE", quantity: 4 }],
    },
    {
      "lines.0.sku": "is no known product",
      "lines.1.quantity": "is more than the 3 in stock",
    },
  ],
  "an over-long sku": [
    { customerId: 1, lines: [{ sku: "A".repeat(10_000), quantity: 1 }] },
    { "lines.0.sku": SKU },
  ],
  "a sku with a NUL": [
    { customerId: 1, lines: [{ sku: "JAM\0", quantity: 1 }] },
    { "lines.0.sku": SKU },
  ],
  "a sku that is SQL": [
    { customerId: 1, lines: [{ sku: "'; drop table orders", quantity: 1 }] },
    { "lines.0.sku": SKU },
  ],
  ...Object.fromEntries(
    [0, -1, 1.5, 1001, 1e300, "1", null, true].map((quantity) => [
      `the quantity ${JSON.stringify(quantity)}`,
      [
        { customerId: 1, lines: [{ sku: "JAM", quantity }] },
        { "lines.0.quantity": QUANTITY },
      ],
    ]),
  ),
};

/** Other requests: method and path, body, status, fields. */
const REQUESTS: [string, RequestInit, number, Fields][] = [
  ["/orders", json("{"), 400, { body: "is not JSON" }],
  ["/orders", json(""), 400, { body: "is not JSON" }],
  ["/orders", json("\xff"), 400, { body: "is not JSON" }],
  [
    "/orders",
    { method: "POST", body: new URLSearchParams({ customerId: "1" }) },
    415,
    { "content-type": "is application/json" },
  ],
  [
    "/orders",
    { method: "POST", body: JSON.stringify({ customerId: 1, lines: [LINE] }) },
    415,
    { "content-type": "is application/json" },
  ],
  ["/orders", json(" ".repeat(70_000)), 413, { body: "is over 64 KiB" }],
  ["/", form({ body: new FormData() }), 415, {
    "content-type": "is application/x-www-form-urlencoded",
  }],
  ["/orders/0", {}, 400, { id: ID }],
  ["/orders/-1", {}, 400, { id: ID }],
  ["/orders/one", {}, 400, { id: ID }],
  ["/orders/1.5", {}, 400, { id: ID }],
  ["/orders/%00", {}, 400, { id: ID }],
  ["/orders/2147483648", {}, 400, { id: ID }],
  ["/orders/99999999999999999999", {}, 400, { id: ID }],
  ["/orders/2147483647", {}, 404, { id: "is no known order" }],
  ["/orders/one/cancel", { method: "POST" }, 400, { id: ID }],
  ["/orders/1/cancel", { method: "POST" }, 404, { id: "is no known order" }],
  ["/orders?limit=0", {}, 400, { limit: "is a whole number from 1 to 100" }],
  ["/orders?limit=101", {}, 400, { limit: "is a whole number from 1 to 100" }],
  ["/orders?limit=x&offset=-1", {}, 400, {
    limit: "is a whole number from 1 to 100",
    offset: "is a whole number from 0 to 1000000",
  }],
  ["/reports/sales?days=32", {}, 400, {
    days: "is a whole number from 1 to 31",
  }],
  ["/?placed=<b>", {}, 400, { placed: ID }],
];

Deno.test("order desk refuses bad input and names the field", async (t) => {
  await using desk = await pgliteDesk();

  for (const [name, [order, fields]] of Object.entries(ORDERS)) {
    await t.step(`POST /orders with ${name}`, async () => {
      const { status, body } = await desk.post("/orders", order);
      assertEquals([status, body], [422, { error: "Invalid input", fields }]);
    });
  }

  for (const [path, init, expected, fields] of REQUESTS) {
    const { method = "GET" } = init;
    await t.step(`${method} ${path}: ${expected}`, async () => {
      const { status, body } = await desk.get(path, init);
      assert(typeof body === "object" && body !== null && "fields" in body);
      assertEquals([status, body.fields], [expected, fields]);
    });
  }

  await t.step("and leaves no row", async () => {
    assertEquals(await desk.query("select count(*)::int from orders"), [0]);
    assertEquals(await desk.query("select count(*)::int from order_lines"), [
      0,
    ]);
    assertEquals(await desk.query("select sum(stock)::int from products"), [
      128,
    ]);
  });
});

function json(body: string): RequestInit {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return { method: "POST", headers, body };
}

function form(init: RequestInit): RequestInit {
  return { method: "POST", headers: { origin: "http://localhost" }, ...init };
}
