import { migrate } from "@nullpool/db";
import { openEngine } from "./engine.ts";

const engine = openEngine();
try {
  await migrate(engine, "drizzle");
  console.log("The database is up to date");
} finally {
  await engine.dispose();
}
