import { type Engine, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { scopedSession } from "@nullpool/db/scoped";
import { asc } from "drizzle-orm";
import { Hono } from "hono";
import { cancelOrder, findOrder, listOrders, placeOrder } from "./orders.ts";
import { pageRoutes } from "./page_routes.ts";
import { answerError } from "./problem.ts";
import { salesReport } from "./report.ts";
import * as schema from "./schema.ts";
import { products } from "./schema.ts";
import {
  IdParam,
  PageQuery,
  parse,
  parseOrder,
  ReportQuery,
  smallBody,
} from "./validation.ts";

/**
 * The order desk as a Hono app. Each request has a database session of its
 * own, and is one transaction: `dbSession` commits it before the response
 * leaves, or rolls it back when a handler throws.
 */
export function orderDesk(engine: Engine): Hono {
  const Session = sessionmaker(engine, { schema });
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
    const order = await placeOrder(db, await parseOrder(c.req));
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

  app.route("/", pageRoutes(db));
  app.notFound((c) => c.json({ error: "Not found" }, 404));
  app.onError(answerError);
  return app;
}
