import { IntegrityError } from "@nullpool/db";
import { desc } from "drizzle-orm";
import { Hono } from "hono";
import { sign } from "hono/jwt";
import type { Database } from "./database.ts";
import { Problem } from "./problem.ts";
import { customers, orders } from "./schema.ts";
import type { NewCustomer } from "./validation.ts";

/** How tokens are signed. */
export const TOKEN_ALGORITHM = "HS256";

/** Seconds that a token is good for. */
const TOKEN_AGE = 24 * 60 * 60;

/** A customer, and what says so to `/me`. */
export interface SignedUp {
  id: number;
  name: string;
  email: string;
  token: string;
}

/**
 * Adds a customer and commits: over Neon one HTTP request, BEGIN and COMMIT
 * included. (Who they are nobody checks: it is an example.)
 */
export async function signUp(
  db: Database,
  secret: string,
  input: NewCustomer,
): Promise<SignedUp> {
  const customer = db.add(customers, input);
  try {
    await db.commit();
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    throw new Problem(409, "Cannot sign up", { email: "is taken" });
  }
  const now = Math.floor(Date.now() / 1_000);
  // What policies read: `sub` is who asks, and `role` whose rights they have.
  const claims = {
    sub: String(customer.id),
    role: "order_desk_customer",
    exp: now + TOKEN_AGE,
  };
  return { ...customer, token: await sign(claims, secret, TOKEN_ALGORITHM) };
}

/**
 * What customers may ask for themselves. No query says whose rows it wants: the
 * policies of `schema.ts` do, by the claims that the session speaks for.
 */
export function ownRoutes(db: Database): Hono {
  const app = new Hono();

  app.get("/", async (c) => {
    const [[me], placed] = await Promise.all([ // one flight
      db.select().from(customers),
      db.select({ id: orders.id, status: orders.status }).from(orders)
        .orderBy(desc(orders.id)),
    ]);
    return me ? c.json({ ...me, orders: placed }) : c.notFound();
  });

  return app;
}
