import type { HonoRequest, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as v from "valibot";
import { type Fields, Problem } from "./problem.ts";

const MAX_LINES = 50;
const MAX_INT4 = 2_147_483_647;

/** A number in JSON, with one message for whatever is wrong with it. */
function wholeNumber(min: number, max: number, message = range(min, max)) {
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(min, message),
    v.maxValue(max, message),
  );
}

/** A number in a path, a query or a form. */
function wholeNumberText(min: number, max: number) {
  const message = range(min, max);
  return v.pipe(
    v.string(message),
    v.regex(/^\d{1,10}$/, message),
    v.transform(Number),
    wholeNumber(min, max),
  );
}

function range(min: number, max: number): string {
  return `is a whole number from ${min} to ${max}`;
}

/** What `strictObject` has against a value. */
function objectMessage(issue: { expected: string | null; received: string }) {
  if (issue.expected === "never") return "is not a known field";
  return issue.received === "undefined" ? "is missing" : "is not an object";
}

const Line = v.strictObject({
  sku: v.pipe(
    v.string("is a text"),
    v.regex(/^[A-Z0-9-]{1,40}$/, "is 1 to 40 of A-Z, 0-9 and -"),
  ),
  quantity: wholeNumber(1, 1000),
}, objectMessage);

const Lines = v.pipe(
  // Its length first: a long list would get a message for each of its items.
  v.array(v.unknown(), "is a list"),
  v.minLength(1, "names at least one product"),
  v.maxLength(MAX_LINES, `names at most ${MAX_LINES} products`),
  v.array(Line),
  v.checkItems(
    ({ sku }, index, lines) =>
      lines.findIndex((line) => line.sku === sku) === index,
    "names a product a second time",
  ),
);

/** An order as it is asked for. */
export const NewOrder = v.strictObject({
  customerId: wholeNumber(1, MAX_INT4, "is the id of a customer"),
  lines: Lines,
}, objectMessage);
export type NewOrder = v.InferOutput<typeof NewOrder>;

/** Somebody who signs up. */
export const NewCustomer = v.strictObject({
  name: v.pipe(
    v.string("is a text"),
    v.trim(),
    v.minLength(1, "is missing"),
    v.maxLength(100, "is at most 100 characters long"),
  ),
  email: v.pipe(
    v.string("is a text"),
    v.maxLength(200, "is at most 200 characters long"),
    v.email("is no e-mail address"),
    v.toLowerCase(),
  ),
}, objectMessage);
export type NewCustomer = v.InferOutput<typeof NewCustomer>;

/** The id in a path. */
export const IdParam = v.object({ id: wholeNumberText(1, MAX_INT4) });

/** Which part of a list is asked for. */
export const PageQuery = v.object({
  limit: v.optional(wholeNumberText(1, 100), "20"),
  offset: v.optional(wholeNumberText(0, 1_000_000), "0"),
});
export type PageQuery = v.InferOutput<typeof PageQuery>;

/** How far back a report goes. */
export const ReportQuery = v.object({
  days: v.optional(wholeNumberText(1, 31), "7"),
});

/** Which order was placed just now. */
export const PlacedQuery = v.object({
  placed: v.optional(wholeNumberText(1, MAX_INT4)),
});

/** Checks an id or a query; wrong ones are a `Problem` naming the fields. */
export function parse<const Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  status: 400 | 422 = 400,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new Problem(status, "Invalid input", fieldsOf(result.issues));
}

/** Reads a JSON body, and checks it. */
export async function parseBody<const Schema extends v.GenericSchema>(
  schema: Schema,
  request: HonoRequest,
): Promise<v.InferOutput<Schema>> {
  requireType(request, "application/json");
  let body: unknown;
  try {
    body = await request.json();
  } catch {
    throw new Problem(400, "Invalid input", { body: "is not JSON" });
  }
  return parse(schema, body, 422);
}

/** Reads a form, unchecked: its fields are texts. */
export async function readForm(request: HonoRequest): Promise<URLSearchParams> {
  requireType(request, "application/x-www-form-urlencoded");
  return new URLSearchParams(await request.text());
}

/** Refuses bodies that no order needs, before they are read. */
export function smallBody(): MiddlewareHandler {
  return bodyLimit({
    maxSize: 64 * 1024,
    onError: () => {
      throw new Problem(413, "Body too large", { body: "is over 64 KiB" });
    },
  });
}

function requireType(request: HonoRequest, expected: string): void {
  const [type = ""] = (request.header("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() === expected) return;
  throw new Problem(415, "Unsupported media type", {
    "content-type": `is ${expected}`,
  });
}

function fieldsOf(issues: readonly v.BaseIssue<unknown>[]): Fields {
  return Object.fromEntries(
    issues.map((issue) => [v.getDotPath(issue) ?? "body", issue.message]),
  );
}
