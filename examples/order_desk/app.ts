import { type Engine, type Sessionmaker, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { scopedSession } from "@nullpool/db/scoped";
import { asc } from "drizzle-orm";
import { type Context, Hono } from "hono";
import { jwt } from "hono/jwt";
import { ownRoutes, signUp, TOKEN_ALGORITHM } from "./customers.ts";
import { cancelOrder, findOrder, listOrders, placeOrder } from "./orders.ts";
import { pageRoutes } from "./page_routes.ts";
import { answerError } from "./problem.ts";
import { salesReport } from "./report.ts";
import * as schema from "./schema.ts";
import { customerRole, products } from "./schema.ts";
import {
  IdParam,
  NewCustomer,
  NewOrder,
  PageQuery,
  parse,
  parseBody,
  ReportQuery,
  smallBody,
} from "./validation.ts";

/** Makes the order desk's database sessions. */
export function deskSessions(engine: Engine): Sessionmaker<typeof schema> {
  return sessionmaker(engine, { schema, roles: [customerRole.name] });
}

/** How the order desk runs. */
export interface OrderDeskOptions {
  /** Signs the tokens of customers; without one they end with this process. */
  readonly secret?: string | undefined;
}

/**
 * The order desk as a Hono app. Each request has a database session of its
 * own, and is one transaction: `dbSession` commits it before the response
 * leaves, or rolls it back when a handler throws.
 */
export function orderDesk(
  engine: Engine,
  { secret = crypto.randomUUID() }: OrderDeskOptions = {},
): Hono {
  const Session = deskSessions(engine);
  const scope = scopedSession(Session);
  const { db } = scope;
  const app = new Hono();
  app.use(dbSession(scope));

  app.get("/products", async (c) => {
    return c.json(await db.select().from(products).orderBy(asc(products.sku)));
  });

  app.get("/orders", async (c) => {
    const page = parse(PageQuery, c.req.query());
    return c.json({ ...page, orders: await listOrders(db, page) });
  });

  app.post("/orders", smallBody(), async (c) => {
    const order = await placeOrder(db, await parseBody(NewOrder, c.req));
    return c.json(order, 201, { Location: `/orders/${order.id}` });
  });

  app.get("/orders/:id", async (c) => {
    const { id } = parse(IdParam, c.req.param());
    return c.json(await findOrder(db, id));
  });

  app.post("/orders/:id/cancel", async (c) => {
    const { id } = parse(IdParam, c.req.param());
    return c.json(await cancelOrder(db, id));
  });

  app.get("/reports/sales", async (c) => {
    const { days } = parse(ReportQuery, c.req.query());
    return c.json({ days: await salesReport(Session, days) });
  });

  app.post("/customers", smallBody(), async (c) => {
    const input = await parseBody(NewCustomer, c.req);
    return c.json(await signUp(db, secret, input), 201);
  });

  // The request's session, and below /me one that speaks for who asks.
  app.use("/me/*", jwt({ secret, alg: TOKEN_ALGORITHM }));
  app.use(
    "/me/*",
    dbSession(scope, { claims: (c: Context) => c.get("jwtPayload") }),
  );
  app.route("/me", ownRoutes(db));

  app.route("/", pageRoutes(db));
  app.notFound((c) => c.json({ error: "Not found" }, 404));
  app.onError(answerError);
  return app;
}
