import { type Engine, migrate, sessionmaker } from "@nullpool/db";
import { fileURLToPath } from "node:url";
import * as schema from "./schema.ts";
import { seed } from "./seed.ts";

/** Brings a database up to date; instances that start at once may all do so. */
export async function prepare(engine: Engine): Promise<void> {
  await migrate(
    engine,
    fileURLToPath(new URL("./migrations", import.meta.url)),
  );
  await sessionmaker(engine, { schema }).begin(seed);
}
