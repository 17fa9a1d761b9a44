import { createEngine, migrate } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { postgres } from "@nullpool/db/postgres";

const url = Deno.env.get("DATABASE_URL") ?? "";
const isNeon = URL.canParse(url) &&
  new URL(url).hostname.endsWith(".neon.tech");
await using engine = createEngine(isNeon ? neon(url) : postgres(url));
await migrate(engine, "drizzle");
console.log("The database is up to date");
