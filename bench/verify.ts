import { assert, assertEquals } from "@std/assert";
import { sell } from "./peer.ts";
import {
  type Input,
  noteOf,
  orderOf,
  productOf,
  readingsOf,
  tenOf,
  threeOf,
  type WorkloadName,
} from "./workloads.ts";

/** A connection that is no peer's. */
export interface Admin {
  /** Runs SQL. */
  query(
    sql: string,
    params?: readonly unknown[],
  ): Promise<Record<string, unknown>[]>;
}

interface Stock {
  readonly id: number;
  readonly name: string;
  readonly price: number;
  readonly stock: number;
}

/** A look at the database before a request, to know what it should change. */
export interface Before {
  /** The products it may read or change. */
  readonly products: readonly Stock[];
}

/**
 * Looks before a request.
 *
 * @param admin A connection that is no peer's.
 * @param input What the request is given.
 */
export async function lookBefore(admin: Admin, input: Input): Promise<Before> {
  return { products: await stocks(admin, tenOf(input)) };
}

async function stocks(admin: Admin, ids: number[]): Promise<Stock[]> {
  const rows = await admin.query(
    "select id, name, price, stock from products where id = any($1) order by id",
    [ids],
  );
  return rows as unknown as Stock[];
}

/** What is checked of a request. */
export interface Done {
  /** What it did. */
  readonly workload: WorkloadName;
  /** What it was given. */
  readonly input: Input;
  /** What was there before. */
  readonly before: Before;
  /** What it answered. */
  readonly answer: unknown;
}

/**
 * Checks in the database that a request has done its work: all of it, once.
 *
 * @param admin A connection that is no peer's.
 * @param done The request.
 * @throws When it has not.
 */
export async function verify(admin: Admin, done: Done): Promise<void> {
  const { workload, input, before, answer } = done;
  switch (workload) {
    case "W1":
      return assertSame(answer, before.products[0]);
    case "W2":
      return await verifyThree(admin, input, answer);
    case "W3":
      return await verifySold(admin, done, 1);
    case "W5":
      return await verifySold(admin, done, 10);
    case "W4":
      return await verifyOrder(admin, input, answer);
    case "W6-1k":
      return await verifyReadings(admin, done, 1_000);
    case "W6-10k":
      return await verifyReadings(admin, done, 10_000);
    case "W7":
      assertEquals(await orderLines(admin, input), [{ id: null }]);
      return await verifyNote(admin, input);
    case "W8":
    case "W8-alone":
      return await verifyNote(admin, input);
  }
}

/** Fields that a peer adds, such as a line's key, are no mistake. */
function assertSame(actual: unknown, expected: object | undefined): void {
  assert(expected && typeof actual === "object" && actual !== null);
  const fields = Object.keys(expected).map((key) =>
    [key, Reflect.get(actual, key)] as const
  );
  assertEquals(Object.fromEntries(fields), { ...expected });
}

async function verifyThree(
  admin: Admin,
  input: Input,
  answer: unknown,
): Promise<void> {
  const keys = threeOf(input);
  const [product] = await stocks(admin, [keys.product]);
  assert(typeof answer === "object" && answer !== null);
  assertSame(Reflect.get(answer, "product"), product);
  assertSame(Reflect.get(answer, "customer"), {
    id: keys.customer,
    name: `customer ${keys.customer}`,
    email: `${keys.customer}@example.com`,
  });
  const lines: unknown = Reflect.get(answer, "lines");
  assert(Array.isArray(lines));
  const sorted = lines.toSorted((a, b) => a.quantity - b.quantity);
  assertEquals(sorted.length, 5);
  for (const [at, line] of orderOf(input).lines.entries()) {
    assertSame(sorted[at], line);
  }
}

async function verifySold(
  admin: Admin,
  { workload, input, before, answer }: Done,
  count: number,
): Promise<void> {
  const expected = before.products.map((product, at) => ({
    ...product,
    stock: at < count ? sell(product) : product.stock,
  }));
  assertEquals(await stocks(admin, tenOf(input)), expected);
  const [first] = expected;
  assertEquals(first?.id, productOf(input));
  if (workload === "W3") assertEquals(answer, first?.stock);
}

async function orderLines(
  admin: Admin,
  { tag }: Input,
): Promise<Record<string, unknown>[]> {
  return await admin.query(
    `select l.id from orders o left join order_lines l on l.order_id = o.id
      where o.customer = $1`,
    [tag],
  );
}

async function verifyOrder(
  admin: Admin,
  input: Input,
  answer: unknown,
): Promise<void> {
  const { customer, total, lines } = orderOf(input);
  const found = await admin.query(
    `select o.id, o.total, l.sku, l.quantity, l.price
      from orders o join order_lines l on l.order_id = o.id
      where o.customer = $1 order by l.quantity`,
    [customer],
  );
  assertEquals(
    found,
    lines.map((line) => ({ id: answer, total, ...line })),
  );
}

async function verifyReadings(
  admin: Admin,
  { input, answer }: Done,
  count: number,
): Promise<void> {
  const [last] = readingsOf(input, count).slice(-1);
  const found = await admin.query(
    `select count(*)::int, min(id) as first, max(value) as value,
        max(taken_at) as taken_at
      from readings where sensor = $1 and unit = 'kelvin'`,
    [input.tag],
  );
  assert(Array.isArray(answer));
  assertEquals(new Set(answer).size, count);
  assertEquals(found, [{
    count,
    first: Math.min(...answer),
    value: last?.value,
    taken_at: last?.takenAt,
  }]);
  await admin.query("truncate readings");
}

async function verifyNote(admin: Admin, input: Input): Promise<void> {
  const { key, body } = noteOf(input);
  const found = await admin.query(
    "select key, body from notes where key in ('taken', $1) order by body",
    [key],
  );
  assertEquals(found, [{ key: "taken", body: "first" }, { key, body }]);
}
