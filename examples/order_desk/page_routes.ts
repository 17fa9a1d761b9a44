import { asc } from "drizzle-orm";
import { Hono } from "hono";
import { csrf } from "hono/csrf";
import type { Database } from "./database.ts";
import { listOrders, placeOrder } from "./orders.ts";
import { orderOf, type PageData, renderPage } from "./page.ts";
import { Problem } from "./problem.ts";
import { customers, products } from "./schema.ts";
import {
  NewOrder,
  parse,
  PlacedQuery,
  readForm,
  smallBody,
} from "./validation.ts";

/** The page and its form, which works without JavaScript. */
export function pageRoutes(db: Database): Hono {
  const app = new Hono();

  app.get("/", async (c) => {
    const { placed } = parse(PlacedQuery, c.req.query());
    return c.html(renderPage({ ...await readPage(db), placed }));
  });

  app.post("/", csrf(), smallBody(), async (c) => {
    const form = await readForm(c.req);
    const input = orderOf(form);
    try {
      const { id } = await placeOrder(db, parse(NewOrder, input, 422));
      return c.redirect(`/?placed=${id}`, 303);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // The page shows the stock as it is without this order.
      await db.rollback();
      const refused = { problem: error, input, form };
      const page = renderPage({ ...await readPage(db), refused });
      return c.html(page, error.status);
    }
  });

  return app;
}

async function readPage(db: Database): Promise<PageData> {
  const [customerRows, productRows, orderRows] = await Promise.all([
    db.select().from(customers).orderBy(asc(customers.name)),
    db.select().from(products).orderBy(asc(products.name)),
    listOrders(db, { limit: 20, offset: 0 }),
  ]);
  return { customers: customerRows, products: productRows, orders: orderRows };
}
