import { createEngine } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { env } from "cloudflare:workers";
import { orderDesk } from "../../examples/order_desk/app.ts";

export default orderDesk(createEngine(neon(() => env.DATABASE_URL)), {
  // Isolates have to agree on it, and may not make one outside of a request.
  secret: env.ORDER_DESK_SECRET,
});
