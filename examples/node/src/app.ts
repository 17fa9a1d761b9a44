import {
  ConnectionError,
  type Engine,
  PoolError,
  SerializationError,
  sessionmaker,
} from "@nullpool/db";
import { dbSession, transactional } from "@nullpool/db/hono";
import { scopedSession } from "@nullpool/db/scoped";
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import * as v from "valibot";
import * as schema from "./schema.ts";
import { accounts, transfers } from "./schema.ts";

const Id = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1e9));
const Cents = v.pipe(v.number(), v.integer(), v.maxValue(1e15));
const NewAccount = v.strictObject({
  owner: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(100)),
  balance: v.optional(v.pipe(Cents, v.minValue(0)), 0),
});
const NewTransfer = v.pipe(
  v.strictObject({
    fromId: Id,
    toId: Id,
    amount: v.pipe(Cents, v.minValue(1)),
  }),
  v.check(({ fromId, toId }) => fromId !== toId, "From and to are the same"),
);

/** Accounts and transfers between them, as a Hono app. */
export function bank(engine: Engine): Hono {
  const Session = sessionmaker(engine, { schema });
  const scope = scopedSession(Session);
  const { db } = scope;
  const app = new Hono();

  // Asks no database: it says how the pool is.
  app.get("/health", (c) => c.json(engine.status()));

  app.use("/accounts/*", dbSession(scope));
  app.get("/accounts/:id", async (c) => {
    const id = v.safeParse(Id, Number(c.req.param("id")));
    const account = id.success && await db.get(accounts, id.output);
    return account ? c.json(account) : c.notFound();
  });
  app.post("/accounts", async (c) => {
    const account = db.add(accounts, await parse(NewAccount, c));
    await db.commit();
    return c.json(account, 201);
  });

  // What it reads may not change before it writes: whoever comes second is
  // run again, and sees what the first has done.
  app.post(
    "/transfers",
    transactional(Session, async (c) => {
      const { fromId, toId, amount } = await parse(NewTransfer, c);
      const { db } = c.var;
      const [from, to] = await Promise.all([
        db.get(accounts, fromId),
        db.get(accounts, toId),
      ]);
      if (!from || !to) throw new HTTPException(422, { message: "No account" });
      if (from.balance < amount) {
        throw new HTTPException(409, { message: "Not enough" });
      }
      from.balance -= amount;
      to.balance += amount;
      const transfer = db.add(transfers, { fromId, toId, amount });
      await db.flush();
      return c.json(transfer, 201);
    }, {
      transaction: { isolationLevel: "serializable" },
      retry: { times: 10 },
    }),
  );

  app.onError(answerError);
  return app;
}

async function parse<const Schema extends v.GenericSchema>(
  schema: Schema,
  c: Context,
): Promise<v.InferOutput<Schema>> {
  const body: unknown = await c.req.json().catch(() => undefined);
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const [{ message }] = result.issues;
  throw new HTTPException(422, { message });
}

function answerError(error: Error, c: Context): Response {
  if (error instanceof HTTPException) {
    return c.json({ error: error.message }, error.status);
  }
  console.error(error);
  const isPassing = error instanceof ConnectionError ||
    error instanceof PoolError || error instanceof SerializationError;
  return isPassing
    ? c.json({ error: "Please try again" }, 503, { "Retry-After": "1" })
    : c.json({ error: "Internal error" }, 500);
}
