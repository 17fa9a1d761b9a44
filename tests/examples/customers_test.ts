import type { FlightEvent } from "@nullpool/db";
import { assert, assertEquals, assertObjectMatch } from "@std/assert";
import type { SignedUp } from "../../examples/order_desk/customers.ts";
import { type Answer, neonDesk, type TestDesk } from "./test_desk.ts";

function ask(desk: TestDesk, token?: string): Promise<Answer> {
  const headers: HeadersInit = token === undefined
    ? {}
    : { authorization: `Bearer ${token}` };
  return desk.get("/me", { headers });
}

Deno.test("order desk: customers see their own orders, and nobody else's", async () => {
  await using desk = await neonDesk();
  const flights: string[] = [];
  desk.engine.on("flight", ({ transport, isRequest }: FlightEvent) => {
    flights.push(`${transport} ${isRequest ? "request" : "connection"}`);
  });

  const people = await Promise.all(
    ["Barbara", "Edsger", "Margaret"].map(async (name) => {
      const email = `${name}@Example.com`;
      const { status, body } = await desk.post("/customers", { name, email });
      assertEquals(status, 201);
      return body as SignedUp;
    }),
  );
  // BEGIN, the row and COMMIT are one request each.
  assertEquals(flights, Array(3).fill("batch request"));
  assertEquals(people[0]?.email, "barbara@example.com");

  for (const { id } of people) {
    const lines = [{ sku: "JAM", quantity: 1 }];
    const { status } = await desk.post("/orders", { customerId: id, lines });
    assertEquals(status, 201);
  }
  flights.length = 0;
  const seen = await Promise.all(people.map(({ token }) => ask(desk, token)));
  for (const [index, { status, body }] of seen.entries()) {
    assertEquals(status, 200);
    const { id, name } = people[index] ?? {};
    assertObjectMatch(body as object, { id, name });
    const { orders } = body as { orders: { id: number }[] };
    assertEquals(orders.length, 1);
    const owner = await desk.query(
      `select customer_id from orders where id = ${orders[0]?.id}`,
    );
    assertEquals(owner, [id]);
  }
  // Claims, customer and orders are one request each.
  assertEquals(
    flights.filter((flight) => flight === "one-shot request").length,
    3,
  );

  const [first] = people;
  assert(first);
  const [head, payload, signature] = first.token.split(".");
  const claims = JSON.parse(atob(`${payload}`));
  const forged = btoa(JSON.stringify({ ...claims, sub: "1" }));
  for (
    const token of [undefined, "rubbish", `${head}.${forged}.${signature}`]
  ) {
    const { status, text } = await ask(desk, token);
    assertEquals(status, 401);
    assert(!text.includes("orders"), text);
  }
});

Deno.test("order desk: whoever signs up says who they are, once", async () => {
  await using desk = await neonDesk();
  const ada = { name: "Ada", email: "ada@example.com" };
  const taken = await desk.post("/customers", ada);
  assertEquals([taken.status, taken.body], [409, {
    error: "Cannot sign up",
    fields: { email: "is taken" },
  }]);
  for (
    const wrong of [
      {},
      { ...ada, email: "nobody" },
      { ...ada, name: " " },
      { ...ada, id: 7 },
      [],
    ]
  ) assertEquals((await desk.post("/customers", wrong)).status, 422);
  assertEquals(await desk.query("select count(*)::int from customers"), [3]);
});

Deno.test("order desk: what is read is one request, without a connection", async () => {
  await using desk = await neonDesk();
  const lines = [{ sku: "JAM", quantity: 1 }];
  await desk.post("/orders", { customerId: 1, lines });
  const flights: string[] = [];
  desk.engine.on("flight", ({ transport, isRequest }: FlightEvent) => {
    flights.push(`${transport} ${isRequest ? "request" : "connection"}`);
  });
  desk.engine.on("checkout", () => flights.push("a connection"));
  for (const path of ["/products", "/orders", "/orders/1", "/"]) {
    assertEquals((await desk.get(path)).status, 200);
    assertEquals(flights.splice(0), ["one-shot request"], path);
  }
  await desk.get("/reports/sales?days=3"); // a session for each day
  assertEquals(flights.splice(0), Array(3).fill("one-shot request"));
});
