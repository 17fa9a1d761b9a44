import { assert, assertEquals } from "@std/assert";
import { deskSessions } from "../../examples/order_desk/app.ts";
import { rush } from "../../examples/order_desk/rush.ts";
import { postgresDesk } from "./test_desk.ts";

const TEN_TRUFFLES = "update products set stock = 10 where sku = 'TRUFFLE'";

Deno.test("order desk on PostgreSQL: 30 orders for 10 pieces", async () => {
  await using bed = await postgresDesk();
  const { desk, database } = bed;
  await desk.query(TEN_TRUFFLES);
  const answers = await Promise.all(
    Array.from({ length: 30 }, () =>
      desk.post("/orders", {
        customerId: 1,
        lines: [{ sku: "TRUFFLE", quantity: 1 }],
      })),
  );
  assertEquals(statuses(answers), { 201: 10, 409: 20 });
  assertEquals(await desk.stock("TRUFFLE"), 0);
  assertEquals(await desk.query("select count(*)::int from order_lines"), [10]);
  await desk.engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("order desk on PostgreSQL: orders of the same products, in any order", async () => {
  await using bed = await postgresDesk();
  const { desk } = bed;
  const lines = [
    { sku: "BREAD", quantity: 1 },
    { sku: "CHEESE", quantity: 1 },
    { sku: "JAM", quantity: 1 },
  ];
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, n) =>
      desk.post("/orders", {
        customerId: 1 + n % 3,
        lines: n % 2 === 0 ? lines : lines.toReversed(),
      })),
  );
  assertEquals(statuses(answers), { 201: 24 });
  assertEquals(await desk.stock("CHEESE"), 1);
});

Deno.test("order desk on PostgreSQL: a rush, whose tasks have a session each", async () => {
  await using bed = await postgresDesk();
  const { desk, database } = bed;
  const fractions: number[] = [];
  const result = await rush(deskSessions(desk.engine), 150, {
    onProgress: (fraction) => fractions.push(fraction),
  });
  assertEquals(result.placed + result.refused, 150);
  assert(result.refused > 0, "there is not enough for all");
  assertEquals(fractions.length, 150);
  assertEquals(fractions.at(-1), 1);
  assertEquals(await desk.query("select count(*)::int from orders"), [
    result.placed,
  ]);
  const sold = "select sum(quantity)::int from order_lines";
  const left = "select sum(stock)::int from products";
  const [[pieces], [stock]] = [await desk.query(sold), await desk.query(left)];
  assertEquals(Number(pieces) + Number(stock), 128 + 4 * 25);
  await desk.engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
});

Deno.test("order desk on PostgreSQL: an order is cancelled once", async () => {
  await using bed = await postgresDesk();
  const { desk } = bed;
  await desk.post("/orders", {
    customerId: 1,
    lines: [{ sku: "TRUFFLE", quantity: 3 }],
  });
  assertEquals(await desk.stock("TRUFFLE"), 0);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => desk.post("/orders/1/cancel")),
  );
  assertEquals(statuses(answers), { 200: 1, 409: 9 });
  assertEquals(await desk.stock("TRUFFLE"), 3);
});

Deno.test("order desk on PostgreSQL: a report in parallel sessions", async () => {
  await using bed = await postgresDesk();
  const { desk, database } = bed;
  await desk.post("/orders", {
    customerId: 1,
    lines: [{ sku: "TRUFFLE", quantity: 3 }],
  });
  const { status, body } = await desk.get("/reports/sales?days=31");
  assertEquals(status, 200);
  const { days } = body as { days: { revenue: number }[] };
  assertEquals(days.length, 31);
  assertEquals(days.reduce((sum, { revenue }) => sum + revenue, 0), 38_700);
  await desk.engine.idle();
  await database.waitFor(async () => await database.connections() === 0);
});

function statuses(answers: readonly { status: number }[]) {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
