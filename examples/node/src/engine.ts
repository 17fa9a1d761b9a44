import { createEngine, type Engine, QueuePool } from "@nullpool/db";
import { pglite } from "@nullpool/db/pglite";
import { postgres } from "@nullpool/db/postgres";
import process from "node:process";

/**
 * The engine of this process. It lives long, so it keeps connections: five,
 * and five more under load, each looked at before it is used and replaced after
 * half an hour. Without `DATABASE_URL` the data lives in `.data/accounts`.
 */
export function openEngine(): Engine {
  const url = process.env.DATABASE_URL;
  if (!url) return createEngine(pglite(".data/accounts"));
  return createEngine(postgres(url), {
    pool: (driver) =>
      new QueuePool(driver, {
        poolSize: 5,
        maxOverflow: 5,
        prePing: true,
        recycle: 30 * 60 * 1000,
      }),
  });
}
