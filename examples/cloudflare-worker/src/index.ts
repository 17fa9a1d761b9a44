import { createEngine } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { env } from "cloudflare:workers";
import { orderDesk } from "../../order_desk/app.ts";

// One engine per isolate, which keeps nothing between requests. With a
// Hyperdrive binding (see wrangler.jsonc) it is `postgres` of
// "@nullpool/db/postgres": postgres(() => env.HYPERDRIVE.connectionString).
const engine = createEngine(neon(() => env.DATABASE_URL));

export default orderDesk(engine);
