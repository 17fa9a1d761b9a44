import { createEngine } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { env } from "cloudflare:workers";
import { orderDesk } from "../../examples/order_desk/app.ts";

export default orderDesk(createEngine(neon(() => env.DATABASE_URL)));
