/** What a Worker imports that talks to Neon, and nothing else. */
import { createEngine, sessionmaker } from "@nullpool/db";
import { dbSession } from "@nullpool/db/hono";
import { neon } from "@nullpool/db/neon";

export { createEngine, dbSession, neon, sessionmaker };
